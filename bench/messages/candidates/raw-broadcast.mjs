// A broadcast by hand: one `process.send` to the primary, and one from there to every worker; with an answer from each, when
// the publisher wants to know.

import { confirmBursts, orderOf, publisher, receiver } from '../bursts.mjs'
import { driveIn, forkWorkers, ready, stopWorkers } from '../children.mjs'
import { drive } from '../load.mjs'
import { workOf } from '../orders.mjs'

/** @typedef {import('../bursts.mjs').Port} Port */

/** @param {import('../job.mjs').Job} job */
export async function start(job) {
  const workers = await forkWorkers(job)
  const [first, ...others] = workers
  if (job.kind === 'burst') confirmBursts(first, others)
  relay(first, others)
  return {
    drive: (/** @type {import('../load.mjs').Load} */ load) => driveIn(first, load),
    stop: () => stopWorkers(workers),
  }
}

/** @param {import('../job.mjs').Job} job */
export async function serve(job) {
  const work = workOf(job)
  const port = /** @type {Port} */ (/** @type {unknown} */ (process))
  const got = receiver(job.kind === 'publish')
  port.on('message', ({ order, publish }) => {
    if (!order) return
    got(order)
    if (publish !== undefined) port.send({ handled: publish })
  })
  const call = job.kind === 'burst' ? publisher((order) => port.send({ order })) : acknowledged(port)
  ready((load) => drive(load, work, call))
}

/**
 * In the primary: what the first worker publishes goes to all others; who has handled it is counted, when it asks for that.
 * @param {Port} first
 * @param {readonly Port[]} others
 */
function relay(first, others) {
  const counts = new Map()
  first.on('message', (message) => {
    if (message.order) for (const other of others) other.send(message)
  })
  for (const other of others)
    other.on('message', ({ handled }) => {
      if (handled === undefined) return
      const count = (counts.get(handled) ?? 0) + 1
      if (count < others.length) {
        counts.set(handled, count)
        return
      }
      counts.delete(handled)
      first.send({ published: handled, count })
    })
}

/** In the publisher. @param {Port} port @returns {(number: number) => Promise<number>} */
function acknowledged(port) {
  const pending = new Map()
  port.on('message', ({ published, count }) => {
    pending.get(published)?.(count)
    pending.delete(published)
  })
  return (number) =>
    new Promise((resolve) => {
      pending.set(number, resolve)
      port.send({ publish: number, order: orderOf(number) })
    })
}
