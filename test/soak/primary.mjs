// The primary of the soak. Calls, casts, publishes and reads streams all the while, and does what its parent says. Every
// request must settle: the oldest that has not is told each second, with the counts of how they ended.

import { channel, createCluster } from 'troupe'

const news = channel('soak.news')
const CALLERS = 16
const TIMEOUT = 3_000

const cluster = await createCluster({
  exec: new URL('./app.mjs', import.meta.url),
  args: [],
  workers: 4,
  restart: { max: 1_000_000, backoff: { min: 1, max: 50 } },
  timeouts: { heartbeat: 1_000, blocked: 4_000, drain: 3_000, kill: 1_000 },
  logger: { warn() {}, error() {} },
})

/** @type {Record<string, number>} */
const outcomes = {}
/** @type {Set<number>} */
const open = new Set()

/** @type {Record<string, () => Promise<unknown>>} */
const REQUESTS = {
  echo: () => cluster.call(anyId(), 'echo', ['x'.repeat(anyOf([10, 1_000, 50_000]))], { timeout: TIMEOUT }),
  any: () => cluster.call('any', 'after', [anyOf([0, 1, 20])], { timeout: TIMEOUT }),
  again: () => cluster.call(anyId(), 'again', [], { timeout: TIMEOUT }),
  turn: () => cluster.call(anyId(), 'turn', [], { timeout: TIMEOUT }),
  other: () => cluster.call(anyId(), 'other', [anyId()], { timeout: TIMEOUT }),
  fail: () => cluster.call('any', 'fail', [], { timeout: TIMEOUT }),
  late: () => cluster.call('any', 'never', [], { timeout: 50 }),
  aborted: () => cluster.call('any', 'never', [], { timeout: TIMEOUT, signal: AbortSignal.timeout(10) }),
  keyed: () => cluster.call(anyId(), 'after', [1], { timeout: TIMEOUT, idempotencyKey: anyOf(['a', 'b', 'c']) }),
  cast: () => cluster.cast(anyId(), 'echo', ['cast']),
  all: () => cluster.callAll('echo', ['all'], { timeout: TIMEOUT }),
  publish: () => cluster.publish(news, { at: Date.now() }),
  confirmed: () => cluster.publish(news, { at: Date.now() }, { ack: true, timeout: TIMEOUT }),
  stream: async () => {
    for await (const number of cluster.stream('any', 'count', [500])) if (number === 300) break
  },
}

for (let caller = 0; caller < CALLERS; caller++) void callForEver()

async function callForEver() {
  for (;;) {
    const name = anyOf(Object.keys(REQUESTS))
    const begun = performance.now()
    // Each of them is another key.
    const key = begun + Math.random() / 1e6
    open.add(key)
    const outcome = await /** @type {() => Promise<unknown>} */ (REQUESTS[name])().then(
      () => 'answered',
      (error) => String(error?.code ?? error),
    )
    open.delete(key)
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    await new Promise(setImmediate)
  }
}

const reports = [
  setInterval(() => {
    const oldest = Math.min(...open)
    const age = open.size > 0 ? performance.now() - oldest : 0
    process.send?.({ outcomes, age, pids: [...cluster.workers.values()].map(({ pid }) => pid) })
  }, 1_000),
  // What lives, not what V8 lets lie until it needs the room.
  setInterval(() => {
    globalThis.gc?.()
    const { rss, heapUsed } = process.memoryUsage()
    process.send?.({ rss, heapUsed })
  }, 5_000),
]

process.on('message', (message) => {
  const { order, value } = /** @type {{ order: string, value: number }} */ (message)
  const done = () => {}
  if (order === 'reload') cluster.reload({ settle: 100 }).then(done, done)
  if (order === 'scale') cluster.scale(value).then(done, done)
  if (order === 'exit') cluster.call('any', 'exit', [], { timeout: TIMEOUT }).then(done, done)
  if (order === 'block') cluster.call('any', 'block', [value], { timeout: TIMEOUT }).then(done, done)
})
process.on('disconnect', () => {
  for (const report of reports) clearInterval(report)
  void cluster.stop({ force: true }).then(() => process.exit())
})

function anyId() {
  return 1 + Math.floor(Math.random() * 4)
}

/**
 * @template T
 * @param {readonly T[]} values
 */
function anyOf(values) {
  return /** @type {T} */ (values[Math.floor(Math.random() * values.length)])
}
