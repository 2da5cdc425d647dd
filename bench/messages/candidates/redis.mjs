// Redis publish and subscribe, over a unix socket to a server on this machine, JSON in the message. It has no
// acknowledgement: what `PUBLISH` answers is to how many it was handed.

import { join } from 'node:path'
import { confirmBursts, publisher, receiver } from '../bursts.mjs'
import { driveIn, forkWorkers, ready, stopWorkers } from '../children.mjs'
import { peer } from '../job.mjs'
import { drive } from '../load.mjs'
import { workOf } from '../orders.mjs'
import { startServer, temporaryFolder } from '../servers.mjs'

const { createClient } = await peer('redis')

/** @param {import('../job.mjs').Job} job */
export async function start(job) {
  const folder = temporaryFolder()
  const path = join(folder, 's')
  const withoutDisk = ['--save', '', '--appendonly', 'no', '--dir', folder]
  await startServer('redis-server', ['--port', '0', '--unixsocket', path, ...withoutDisk], { path })
  const workers = await forkWorkers({ ...job, setup: { path } })
  const [first, ...others] = workers
  confirmBursts(first, others)
  // The first one publishes. The others are told to subscribe, by a load that is none.
  await Promise.all(others.map((other) => driveIn(other, { inFlight: 0, first: 0 })))
  return {
    drive: (/** @type {import('../load.mjs').Load} */ load) => driveIn(first, load),
    stop: () => stopWorkers(workers),
  }
}

/** @param {import('../job.mjs').Job} job */
export async function serve(job) {
  const client = await createClient({ socket: { path: job.setup.path } }).connect()
  const got = receiver()
  const call = publisher((order) => client.publish('placed', JSON.stringify(order)))
  ready(async (load) => {
    if (load.inFlight === 0) await client.subscribe('placed', (/** @type {string} */ text) => got(JSON.parse(text)))
    return await drive(load, workOf(job), call)
  })
}
