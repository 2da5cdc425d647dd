// The primary of one candidate, in a process of its own: `primary.mjs '{"kind":"troupe","workers":2}'`. Says `{ port, pids }`,
// then answers each `[work, …]` with `{ done }`: how many operations. Ends on `['stop']`.

import cluster from 'node:cluster'
import { once } from 'node:events'
import { channel, createCluster } from '../../dist/index.js'

/** @type {{ kind: 'troupe' | 'cluster', workers: number }} */
const { kind, workers } = JSON.parse(process.argv[2] ?? '')
const exec = new URL('worker.mjs', import.meta.url)
let port = 0
let count = 0
const listening = new Promise((resolve) => {
  cluster.on('listening', (_worker, address) => {
    port = address.port
    if (++count === workers) resolve(undefined)
  })
})
const troupe = kind === 'troupe' ? await createCluster({ exec, workers, args: [], ready: 'listen' }) : undefined
if (!troupe) {
  cluster.setupPrimary({ exec: exec.pathname })
  for (let id = 0; id < workers; id++) cluster.fork({ ALONE: '1' })
}
await listening
const news = channel('growth.news')
const pids = Object.values(cluster.workers ?? {}).map((worker) => worker?.process.pid)

function actors() {
  if (!troupe) throw new Error('node has no channels')
  return troupe
}

/** Asks one worker for the same value. @type {(id: number, value: number) => Promise<unknown>} */
const call = troupe ? (id, value) => troupe.call(id, 'echo', [value]) : callBySend()

/** One `process.send` for each call, and one for its answer. */
function callBySend() {
  /** @type {Map<number, (value: unknown) => void>} */
  const pending = new Map()
  let last = 0
  const settle = (/** @type {{ id: number, value: number }} */ { id, value }) => {
    pending.get(id)?.(value)
    pending.delete(id)
  }
  for (const worker of Object.values(cluster.workers ?? {})) worker?.on('message', settle)
  return (/** @type {number} */ to, /** @type {number} */ value) =>
    new Promise((resolve) => {
      pending.set(++last, resolve)
      cluster.workers?.[to]?.send({ id: last, value })
    })
}

const works = {
  /** Calls to all workers in turn, so many at once, for so long. @param {number} inFlight @param {number} seconds */
  async calls(inFlight, seconds) {
    let done = 0
    const end = performance.now() + seconds * 1_000
    const caller = async (/** @type {number} */ first) => {
      for (let next = first; performance.now() < end; next += inFlight, done++)
        if ((await call((next % workers) + 1, next)) !== next) throw new Error('a wrong answer')
    }
    await Promise.all(Array.from({ length: inFlight }, (_, first) => caller(first)))
    return done
  },
  /** What nobody holds any more is not measured. */
  async collect() {
    if (!globalThis.gc) throw new Error('Expected --expose-gc')
    globalThis.gc()
    const collected = Object.values(cluster.workers ?? {}).map(async (worker) => {
      worker?.send('collect')
      if (worker) await once(worker, 'message')
    })
    await Promise.all(collected)
    return collected.length
  },
  /** @param {number} each handlers more in each worker */
  async subscribe(each) {
    await actors().callAll('subscribe', [each], { timeout: 60_000 })
    return each
  },
  /** Publishes for so long, a few at once, and counts what has reached handlers. @param {number} seconds */
  async publishes(seconds) {
    const before = await delivered()
    const end = performance.now() + seconds * 1_000
    const publisher = async () => {
      while (performance.now() < end) {
        const { failed } = await actors().publish(news, { at: 1 }, { ack: true })
        if (failed.length > 0) throw new Error('a publish was lost')
      }
    }
    await Promise.all(Array.from({ length: 8 }, publisher))
    return (await delivered()) - before
  },
}

async function delivered() {
  const all = await actors().callAll('delivered', [])
  return [...all.values()].reduce((sum, one) => sum + (one.status === 'fulfilled' ? Number(one.value) : Number.NaN), 0)
}

process.on('message', async ([work, ...values]) => {
  if (work === 'stop') {
    await troupe?.stop()
    if (!troupe) for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL')
    process.exit()
  }
  const done = await Reflect.apply(Reflect.get(works, work), works, values)
  process.send?.({ done })
})
process.send?.({ port, pids })
