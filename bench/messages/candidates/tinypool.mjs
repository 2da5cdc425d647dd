// tinypool with one worker process, which may have all calls at once: it gives one at a time unless it is told.

import { fileURLToPath } from 'node:url'
import { peer } from '../job.mjs'
import { drive } from '../load.mjs'
import { workOf } from '../orders.mjs'

const { Tinypool } = await peer('tinypool')

/** @param {import('../job.mjs').Job} job */
export async function start(job) {
  const work = workOf(job)
  const pool = new Tinypool({
    runtime: 'child_process',
    filename: fileURLToPath(new URL('../orders.mjs', import.meta.url)),
    minThreads: 1,
    maxThreads: 1,
    concurrentTasksPerWorker: job.inFlight,
  })
  return {
    drive: (/** @type {import('../load.mjs').Load} */ load) =>
      drive(load, work, (argument) => pool.run(argument, { name: work.method })),
    stop: () => pool.destroy(),
  }
}
