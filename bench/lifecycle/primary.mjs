// The primary of one candidate, in a process of its own: `primary.mjs '{"kind":"troupe","workers":1,"join":false}'`. Says
// `{ port, pids }` when all listen, then does what it is told, once: `crash`, `reload`, or `stop`. Times are of the machine's
// monotonic clock, which all its processes share.

import { fork } from 'node:child_process'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { freePort } from '../free-port.mjs'

/** @typedef {{ pids: () => number[], crash: () => number, reload: () => Promise<void>, stop: () => Promise<void> }} Started */

/** @type {{ kind: 'bare fork' | 'cluster' | 'troupe', workers: number, join: boolean }} */
const { kind, workers, join } = JSON.parse(process.argv[2] ?? '')
const exec = new URL('worker.mjs', import.meta.url)
const port = await freePort()
const env = { PORT: String(port), ...(join ? { JOIN: '1' } : {}) }
const now = () => Number(process.hrtime.bigint()) / 1e6

const started = await { 'bare fork': startBare, cluster: startCluster, troupe: startTroupe }[kind]()
process.send?.({ port, pids: started.pids() })
process.on('message', async (message) => {
  if (message === 'crash') return process.send?.({ at: started.crash() })
  if (message === 'reload') {
    const before = now()
    await started.reload()
    return process.send?.({ took: now() - before, pids: started.pids() })
  }
  await started.stop()
  process.exit()
})

/** Its crash is no crash: what it costs to have the same process from nothing is what a replacement is held against. */
async function startBare() {
  let child = forkBare()
  await once(child, 'message')
  const end = async () => {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  return {
    pids: () => [child.pid],
    crash() {
      child.kill('SIGKILL')
      const at = now()
      child = forkBare()
      child.once('message', () => process.send?.({ serves: child.pid }))
      return at
    },
    reload: () => Promise.reject(new Error('a bare fork does not reload')),
    stop: end,
  }
}

function forkBare() {
  return fork(exec, { env: { ...process.env, ...env, BARE: '1' } })
}

/** As Node's documentation has it: whoever ends is forked again. */
async function startCluster() {
  cluster.setupPrimary({ exec: exec.pathname })
  const forkOne = async () => {
    const worker = cluster.fork(env)
    await once(worker, 'listening')
    return worker
  }
  await Promise.all(Array.from({ length: workers }, forkOne))
  let stops = false
  cluster.on('exit', async (worker) => {
    if (stops || worker.exitedAfterDisconnect) return
    const replacement = await forkOne()
    process.send?.({ serves: replacement.process.pid })
  })
  return {
    pids: pidsOf,
    crash,
    /** One after the other: the new one listens, then the old one leaves. */
    async reload() {
      for (const old of workersOf()) {
        await forkOne()
        const ended = once(old, 'exit')
        old.disconnect()
        await ended
      }
    },
    async stop() {
      stops = true
      const ended = workersOf().map((worker) => once(worker.process, 'exit'))
      for (const worker of workersOf()) worker.process.kill('SIGKILL')
      await Promise.all(ended)
    },
  }
}

async function startTroupe() {
  // Imported here, so that the others run without it.
  const { createCluster } = await import('../../dist/index.js')
  // A reload waits two seconds before it believes in the new workers, which is a choice and no cost.
  const timeouts = { settle: 0 }
  const troupe = await createCluster({ exec, workers, env, timeouts, ready: 'listen', args: [] })
  return { pids: pidsOf, crash, reload: () => troupe.reload(), stop: () => troupe.stop() }
}

function crash() {
  const [worker] = workersOf()
  const at = now()
  worker?.process.kill('SIGKILL')
  return at
}

function workersOf() {
  return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
}

function pidsOf() {
  return workersOf().map((worker) => worker.process.pid)
}
