// The primary of one candidate: `primary.mjs '{"kind":"troupe","workers":4,"env":{…}}'`. Says `{ port, pids }`, then on `messages` how
// many messages have passed between it and its workers, either way; ends on `stop`.

import cluster from 'node:cluster'

/** @type {{ kind: 'troupe' | 'rr' | 'none', workers: number, env: Record<string, string> }} */
const { kind, workers, env } = JSON.parse(process.argv[2] ?? '')
const exec = new URL('worker.mjs', import.meta.url)
let messages = 0
let port = 0

cluster.on('fork', ({ process: child }) => {
  child.on('internalMessage', () => messages++)
  const { _send: send } = /** @type {any} */ (child)
  Object.assign(child, {
    /** @param {unknown[]} values */
    _send(...values) {
      messages++
      return Reflect.apply(send, child, values)
    },
  })
})
const listening = new Promise((resolve) => {
  let count = 0
  cluster.on('listening', (_worker, address) => {
    port = address.port
    if (++count === workers) resolve(undefined)
  })
})

const stop = kind === 'troupe' ? await startTroupe() : startCluster()
await listening
const pids = Object.values(cluster.workers ?? {}).map((worker) => worker?.process.pid)
process.on('message', async (message) => {
  if (message === 'messages') return process.send?.(messages)
  await stop()
  process.exit()
})
process.send?.({ port, pids })

async function startTroupe() {
  const { createCluster } = await import('../../../dist/index.js')
  const troupe = await createCluster({ exec, workers, env, args: [], ready: 'listen' })
  return () => troupe.stop({ force: true })
}

function startCluster() {
  cluster.schedulingPolicy = kind === 'none' ? cluster.SCHED_NONE : cluster.SCHED_RR
  cluster.setupPrimary({ exec: exec.pathname })
  for (let id = 0; id < workers; id++) cluster.fork(env)
  return async () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL')
  }
}
