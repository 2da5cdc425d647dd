// The primary of one candidate, in a process of its own: `primary.mjs '{"cluster":"rr","workers":2}'`, or `"troupe":{…}` with our options,
// or `"peer":"pm2"`.
// Tells whoever forked it the port and the pids, then answers `stats`, and ends on `stop`.

import cluster from 'node:cluster'
import { once } from 'node:events'
import { startPm2, startReusePort, startSticky } from './peers.mjs'

/** @typedef {'sticky' | 'reusePort' | 'pm2'} Peer */
/** @type {{ cluster?: 'rr' | 'none', troupe?: import('../../dist/index.js').ClusterOptions, peer?: Peer, workers: number }} */
const { cluster: scheduling, troupe: options, peer, workers } = JSON.parse(process.argv[2] ?? '')
const exec = new URL('worker.mjs', import.meta.url)

let port = 0
const listening = new Promise((resolve) => {
  let count = 0
  cluster.on('listening', (_worker, address) => {
    port = address.port
    if (++count === workers) resolve(undefined)
  })
})

const started = peer ? await startPeer(peer) : options ? await startTroupe(options) : startCluster()
if (!peer) await listening
const pids = workersOf().map((worker) => worker.process.pid)
process.on('message', async (message) => {
  if (message === 'stats') return process.send?.(started.stats())
  await started.stop()
  process.exit()
})
process.send?.({ port, workers: pids })

function workersOf() {
  return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
}

/** @param {Peer} peer */
async function startPeer(peer) {
  const { port: serves, stop } = await { sticky: startSticky, reusePort: startReusePort, pm2: startPm2 }[peer](workers)
  port = serves
  return { stats: () => ({}), stop }
}

function startCluster() {
  cluster.schedulingPolicy = scheduling === 'none' ? cluster.SCHED_NONE : cluster.SCHED_RR
  cluster.setupPrimary({ exec: exec.pathname })
  for (let id = 0; id < workers; id++) cluster.fork()
  const stop = async () => {
    const ended = workersOf().map((worker) => once(worker.process, 'exit'))
    for (const worker of workersOf()) worker.process.kill('SIGTERM')
    await Promise.all(ended)
  }
  return { stats: () => ({}), stop }
}

/** @param {import('../../dist/index.js').ClusterOptions} options */
async function startTroupe(options) {
  // Imported here, so that node's own primaries run without it.
  const { createCluster } = await import('../../dist/index.js')
  const troupe = await createCluster({ ...options, exec, workers })
  return { stats: () => troupe.stats().connections, stop: () => troupe.stop() }
}
