// workerpool with one worker process. It gives a worker one task at a time and keeps the others itself.

import { workerFile } from '../children.mjs'
import { peer } from '../job.mjs'
import { drive } from '../load.mjs'
import { methods, workOf } from '../orders.mjs'

const { default: workerpool } = await peer('workerpool')

/** @param {import('../job.mjs').Job} job */
export async function start(job) {
  const work = workOf(job)
  const pool = workerpool.pool(workerFile, {
    workerType: 'process',
    maxWorkers: 1,
    forkArgs: [JSON.stringify(job)],
  })
  return {
    drive: (/** @type {import('../load.mjs').Load} */ load) =>
      drive(load, work, (argument) => pool.exec(work.method, [argument])),
    stop: () => pool.terminate(),
  }
}

export async function serve() {
  workerpool.worker(methods)
}
