// jest-worker with one worker process. It gives a worker one task at a time and keeps the others itself.

import { fileURLToPath } from 'node:url'
import { peer } from '../job.mjs'
import { drive } from '../load.mjs'
import { workOf } from '../orders.mjs'

const { Worker } = await peer('jest-worker')

/** @param {import('../job.mjs').Job} job */
export async function start(job) {
  const work = workOf(job)
  const pool = new Worker(fileURLToPath(new URL('../orders.mjs', import.meta.url)), {
    numWorkers: 1,
    exposedMethods: [work.method],
  })
  return {
    drive: (/** @type {import('../load.mjs').Load} */ load) =>
      drive(load, work, (argument) => pool[work.method](argument)),
    stop: () => pool.end(),
  }
}
