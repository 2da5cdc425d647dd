// The primary of the run `calls`, which does all of it: what is measured is inside it. Prints one JSON value.
//   calls.mjs <kills> <casts>

import { createCluster } from 'troupe'
import { castMany } from './cast-many.mjs'

const [kills = 1, casts = 1] = process.argv.slice(2).map(Number)
const SIZE = 1_024

const cluster = await createCluster({
  exec: new URL('./calls-worker.mjs', import.meta.url),
  args: [],
  workers: 3,
  restart: { max: 1_000_000, backoff: { min: 1, max: 1 } },
  timeouts: { call: 5_000 },
})
const pidOf = (/** @type {number} */ id) => cluster.workers.get(id)?.pid ?? 0
const result = { delays: await killMany(), fromPrimary: await castFrom(0), fromWorker: await castFrom(1) }
console.log(JSON.stringify(result))
await cluster.stop({ force: true })

/** How long after the SIGKILL of its worker each call rejected, ms. */
async function killMany() {
  const delays = []
  for (let count = 0; count < kills; count++) {
    const call = cluster.call(2, 'never', [], { timeout: 30_000 }).then(
      () => 'answered',
      (error) => error.code,
    )
    // Behind it: when this has come back, the worker has the call.
    await cluster.call(2, 'take', [])
    const ready = new Promise((resolve) => {
      const off = cluster.on('ready', ({ id }) => {
        if (id !== 2) return
        off()
        resolve(undefined)
      })
    })
    const begun = performance.now()
    process.kill(pidOf(2), 'SIGKILL')
    const outcome = await call
    delays.push({ outcome, ms: performance.now() - begun })
    await ready
  }
  return delays
}

/** What it does to this process's memory when another one, or this one, casts to a worker that is stopped. */
async function castFrom(/** @type {number} */ sender) {
  // A primary that has been at work: V8 takes tens of MB for its garbage at the first storm, whoever it is for.
  const atWork = await peakOf(() => castMany(cluster, 2, 50_000, SIZE))
  const all = await peakOf(() => castToStopped(sender, casts))
  return { outcomes: all.result, growth: Math.max(0, all.peak - atWork.peak), dropped: cluster.stats().dropped }
}

/** @template T @param {() => Promise<T>} run */
async function peakOf(run) {
  globalThis.gc?.()
  let peak = 0
  const look = () => {
    peak = Math.max(peak, process.memoryUsage().rss)
  }
  const watch = setInterval(look, 5)
  // Errors that nobody keeps are garbage, which V8 leaves lying by the tens of MB where it has room.
  const collect = setInterval(() => globalThis.gc?.(), 150)
  const result = await run()
  clearInterval(watch)
  clearInterval(collect)
  look()
  return { peak, result }
}

async function castToStopped(/** @type {number} */ sender, /** @type {number} */ count) {
  const pid = pidOf(3)
  process.kill(pid, 'SIGSTOP')
  try {
    if (sender === 0) return await castMany(cluster, 3, count, SIZE)
    return await cluster.call(sender, 'castTo', [3, count, SIZE], { timeout: 120_000 })
  } finally {
    process.kill(pid, 'SIGCONT')
    await caughtUp(3)
  }
}

/** Until that worker has taken what it was sent. */
async function caughtUp(/** @type {number} */ id) {
  for (;;) {
    try {
      return await cluster.call(id, 'take', [], { timeout: 120_000 })
    } catch (error) {
      if (/** @type {{ code?: string }} */ (error).code !== 'ERR_MAILBOX_FULL') throw error
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}
