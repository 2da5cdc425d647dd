// Troupe with its default options.

import cluster from 'node:cluster'
import { channel, createCluster, joinCluster } from '../../../dist/index.js'
import { confirmBursts, orderOf, publisher, receiver } from '../bursts.mjs'
import { workerFile } from '../children.mjs'
import { workersOf } from '../job.mjs'
import { drive } from '../load.mjs'
import { ITEMS, methods, workOf } from '../orders.mjs'

/** @type {import('../../../dist/index.js').Channel<import('../orders.mjs').Order>} */
const placed = channel('order.placed')

/** Longer than any load, in ms. */
const timeout = 120_000

/** @param {import('../job.mjs').Job} job */
export async function start(job) {
  const work = workOf(job)
  const troupe = await createCluster({
    exec: workerFile,
    args: [JSON.stringify(job)],
    workers: workersOf(job),
    methods,
    // A mailbox holds 1 024 unless it is told otherwise.
    limits: job.inFlight > 1_024 ? { mailbox: 2 * job.inFlight } : {},
  })
  if (job.kind === 'burst') confirmOverNode(troupe)
  /** @type {(load: import('../load.mjs').Load) => Promise<import('../load.mjs').Driven>} */
  const inPrimary = (load) =>
    drive(load, work, job.kind === 'stream' ? read : (argument) => troupe.call(1, work.method, [argument]))
  /** @type {(load: import('../load.mjs').Load) => Promise<any>} */
  const inWorker = (load) => troupe.call(1, 'drive', [load], { timeout })
  return { drive: job.route === 'primary to worker' ? inPrimary : inWorker, stop: () => troupe.stop() }

  /** @param {number} first */
  async function read(first) {
    let count = 0
    for await (const item of troupe.stream(1, 'orders', [first])) {
      if (/** @type {any} */ (item).number !== first + count) throw new Error('an item is missing')
      count++
    }
    return count
  }
}

/** @param {import('../job.mjs').Job} job */
export async function serve(job) {
  // A process that a signal kills writes no profile.
  process.on('SIGTERM', () => process.exit())
  const work = workOf(job)
  const troupe = await joinCluster({
    ...methods,
    /** @param {number} first */
    async *orders(first) {
      for (let index = 0; index < ITEMS; index++) yield orderOf(first + index)
    },
    /** @param {import('../load.mjs').Load} load */
    drive: (load) => drive(load, work, call),
  })
  const call = callOf()
  if (job.receivers > 0 && troupe.id !== 1) troupe.subscribe(placed, receiver(job.kind === 'publish'))

  /** @returns {(argument: any) => Promise<unknown>} */
  function callOf() {
    if (job.kind === 'burst') return publisher((order) => troupe.publish(placed, order))
    if (job.kind === 'publish')
      return async (number) => (await troupe.publish(placed, orderOf(number), { ack: true })).acknowledged.length
    const target = job.route === 'worker to primary' ? 'primary' : 2
    return (argument) => troupe.call(target, work.method, [argument])
  }
}

/**
 * A program's own messages are left alone, so they can say what has arrived.
 * @param {{ workers: ReadonlyMap<number, { pid: number | undefined }> }} troupe
 */
function confirmOverNode({ workers }) {
  const byPid = new Map(Object.values(cluster.workers ?? {}).map((worker) => [worker?.process.pid, worker]))
  const [first, ...others] = [...workers.values()].flatMap(({ pid }) => byPid.get(pid) ?? [])
  if (first) confirmBursts(first, others)
}
