// A stream by hand: one message for each item, and no heed of a reader that is slow.

import { orderOf } from '../bursts.mjs'
import { forkWorkers, ready, stopWorkers } from '../children.mjs'
import { drive } from '../load.mjs'
import { ITEMS, workOf } from '../orders.mjs'

/** @typedef {import('../bursts.mjs').Port} Port */

/** @param {import('../job.mjs').Job} job */
export async function start(job) {
  const work = workOf(job)
  const workers = await forkWorkers(job)
  const read = reader(workers[0])
  return {
    drive: (/** @type {import('../load.mjs').Load} */ load) => drive(load, work, read),
    stop: () => stopWorkers(workers),
  }
}

export async function serve() {
  const port = /** @type {Port} */ (/** @type {unknown} */ (process))
  port.on('message', ({ stream }) => {
    if (stream === undefined) return
    for (let index = 0; index < ITEMS; index++) port.send({ stream, item: orderOf(stream + index) })
  })
  ready()
}

/** @param {Port} port @returns {(first: number) => Promise<number>} */
function reader(port) {
  const streams = new Map()
  port.on('message', ({ stream, item }) => stream !== undefined && streams.get(stream)?.(item))
  return (first) =>
    new Promise((resolve, reject) => {
      let count = 0
      streams.set(first, (/** @type {any} */ item) => {
        if (item.number !== first + count++) return reject(new Error('an item is missing'))
        if (count < ITEMS) return
        streams.delete(first)
        resolve(count)
      })
      port.send({ stream: first })
    })
}
