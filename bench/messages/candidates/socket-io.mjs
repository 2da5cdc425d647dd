// Messages between the servers of Socket.IO, over its adapter for node:cluster: what its rooms are made of.

import cluster from 'node:cluster'
import { setTimeout as sleep } from 'node:timers/promises'
import { confirmBursts, orderOf, publisher, receiver } from '../bursts.mjs'
import { driveIn, isReady, ready, workerFile } from '../children.mjs'
import { peer, workersOf } from '../job.mjs'
import { drive } from '../load.mjs'
import { workOf } from '../orders.mjs'

const { default: adapter } = await peer('@socket.io/cluster-adapter')
const { Server } = await peer('socket.io')

/** @param {import('../job.mjs').Job} job */
export async function start(job) {
  adapter.setupPrimary()
  cluster.setupPrimary({ exec: workerFile, args: [JSON.stringify(job)] })
  const workers = Array.from({ length: workersOf(job) }, () => cluster.fork())
  await Promise.all(workers.map(isReady))
  const [first, ...others] = workers
  if (!first) throw new Error('no worker')
  if (job.kind === 'burst') confirmBursts(first, others)
  return {
    drive: (/** @type {import('../load.mjs').Load} */ load) => driveIn(first, load),
    stop: () => new Promise((resolve) => cluster.disconnect(() => resolve(undefined))),
  }
}

/** @param {import('../job.mjs').Job} job */
export async function serve(job) {
  const work = workOf(job)
  const io = new Server()
  io.adapter(adapter.createAdapter())
  const got = receiver(job.kind === 'publish')
  io.on('placed', (/** @type {any} */ order, /** @type {((answer: string) => void) | undefined} */ acknowledge) => {
    got(order)
    acknowledge?.('ok')
  })
  const call =
    job.kind === 'burst'
      ? publisher((order) => io.serverSideEmit('placed', order))
      : async (/** @type {number} */ number) => (await io.serverSideEmitWithAck('placed', orderOf(number))).length
  ready(async (load) => {
    // It asks those for an answer whose heartbeat it has heard.
    while ((await io.of('/').adapter.serverCount()) < workersOf(job)) await sleep(20)
    return await drive(load, work, call)
  })
}
