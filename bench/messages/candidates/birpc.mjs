// birpc over `process.send`, with its defaults.

import { forkWorkers, ready, stopWorkers } from '../children.mjs'
import { peer } from '../job.mjs'
import { drive } from '../load.mjs'
import { methods, workOf } from '../orders.mjs'

const { createBirpc } = await peer('birpc')

/** @param {import('../job.mjs').Job} job */
export async function start(job) {
  const work = workOf(job)
  const workers = await forkWorkers(job)
  const remote = open(workers[0], {})
  return {
    drive: (/** @type {import('../load.mjs').Load} */ load) =>
      drive(load, work, (argument) => remote[work.method](argument)),
    stop: () => stopWorkers(workers),
  }
}

export async function serve() {
  open(/** @type {any} */ (process), methods)
  ready()
}

/** @param {import('../bursts.mjs').Port} port @param {object} functions */
function open(port, functions) {
  return createBirpc(functions, {
    post: (/** @type {object} */ data) => port.send(data),
    on: (/** @type {(data: any) => void} */ listener) => port.on('message', listener),
  })
}
