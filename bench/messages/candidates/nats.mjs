// Request and reply over a NATS server on this machine, JSON in the payload.

import { freePort } from '../../free-port.mjs'
import { forkWorkers, ready, stopWorkers } from '../children.mjs'
import { peer } from '../job.mjs'
import { drive } from '../load.mjs'
import { methods, workOf } from '../orders.mjs'
import { startServer } from '../servers.mjs'

const { connect } = await peer('@nats-io/transport-node')

/** In ms. */
const timeout = 60_000

/** @param {import('../job.mjs').Job} job */
export async function start(job) {
  const work = workOf(job)
  const port = await freePort()
  await startServer('nats-server', ['-a', '127.0.0.1', '-p', String(port)], { port })
  const workers = await forkWorkers({ ...job, setup: { port } })
  const connection = await connect({ port })
  /** @param {object} argument */
  async function call(argument) {
    const reply = await connection.request(work.method, JSON.stringify(argument), { timeout })
    return reply.json()
  }
  return {
    drive: (/** @type {import('../load.mjs').Load} */ load) => drive(load, work, call),
    stop: async () => {
      await connection.close()
      await stopWorkers(workers)
    },
  }
}

/** @param {import('../job.mjs').Job} job */
export async function serve({ setup }) {
  const connection = await connect({ port: setup.port })
  connection.subscribe('total', {
    callback: (/** @type {unknown} */ _error, /** @type {any} */ message) =>
      message.respond(JSON.stringify(methods.total(message.json()))),
  })
  // What was sent before it is there now.
  await connection.flush()
  ready()
}
