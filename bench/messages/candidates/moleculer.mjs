// moleculer: two nodes over its TCP transporter, which find each other by address.

import { freePort } from '../../free-port.mjs'
import { forkWorkers, ready, stopWorkers } from '../children.mjs'
import { peer } from '../job.mjs'
import { drive } from '../load.mjs'
import { methods, workOf } from '../orders.mjs'

const { default: moleculer } = await peer('moleculer')

/** @param {import('../job.mjs').Job} job */
export async function start(job) {
  const work = workOf(job)
  const urls = [`tcp://127.0.0.1:${await freePort()}/caller`, `tcp://127.0.0.1:${await freePort()}/callee`]
  const broker = brokerOf('caller', urls)
  const [workers] = await Promise.all([forkWorkers({ ...job, setup: { urls } }), broker.start()])
  await broker.waitForServices('orders')
  const action = `orders.${work.method}`
  return {
    drive: (/** @type {import('../load.mjs').Load} */ load) =>
      drive(load, work, (argument) => broker.call(action, argument)),
    stop: async () => {
      await broker.stop()
      await stopWorkers(workers)
    },
  }
}

/** @param {import('../job.mjs').Job} job */
export async function serve({ setup }) {
  const broker = brokerOf('callee', /** @type {string[]} */ (setup.urls))
  broker.createService({
    name: 'orders',
    actions: { total: (/** @type {any} */ context) => methods.total(context.params) },
  })
  await broker.start()
  ready()
}

/** @param {string} nodeID @param {string[]} urls */
function brokerOf(nodeID, urls) {
  const transporter = { type: 'TCP', options: { udpDiscovery: false, urls } }
  return new moleculer.ServiceBroker({ nodeID, transporter, logger: false })
}
