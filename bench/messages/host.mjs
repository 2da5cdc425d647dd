// One candidate in processes of its own, for one measurement: `host.mjs '{"program":"raw",…}'`. This is its primary. Whoever
// forked it sends loads, and gets back what was driven, until `stop`.

/** @type {import('./job.mjs').Job} */
const job = JSON.parse(process.argv[2] ?? '')

/**
 * Every file in candidates/ has `start`, and `serve` where we say what its workers run.
 * @type {{ start(job: import('./job.mjs').Job): Promise<Candidate> }}
 * @typedef {object} Candidate
 * @property {(load: import('./load.mjs').Load) => Promise<import('./load.mjs').Driven>} drive
 * @property {() => unknown} stop resolves when its other processes were told to end
 */
const { start } = await import(`./candidates/${job.program}.mjs`)
const candidate = await start(job)

process.on('message', async (message) => {
  if (message === 'stop') return await stop()
  process.send?.(await candidate.drive(/** @type {import('./load.mjs').Load} */ (message)))
})
process.once('disconnect', stop)
process.send?.('ready')

async function stop() {
  await candidate.stop()
  process.exit()
}
