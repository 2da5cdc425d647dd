// gRPC over a unix socket, with a schema for what is sent.

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { orderOf } from '../bursts.mjs'
import { forkWorkers, ready, stopWorkers } from '../children.mjs'
import { peer } from '../job.mjs'
import { drive } from '../load.mjs'
import { ITEMS, methods, workOf } from '../orders.mjs'
import { temporaryFolder } from '../servers.mjs'

const { default: grpc } = await peer('@grpc/grpc-js')
const { default: loader } = await peer('@grpc/proto-loader')

const definition = loader.loadSync(fileURLToPath(new URL('grpc.proto', import.meta.url)))
const { Orders } = grpc.loadPackageDefinition(definition)

/** @param {import('../job.mjs').Job} job */
export async function start(job) {
  const work = workOf(job)
  const address = `unix:${join(temporaryFolder(), 's')}`
  const workers = await forkWorkers({ ...job, setup: { address } })
  const client = new Orders(address, grpc.credentials.createInsecure())
  /** @param {unknown} argument */
  const call = (argument) =>
    new Promise((resolve, reject) =>
      client.total(argument, (/** @type {unknown} */ error, /** @type {unknown} */ answer) =>
        error ? reject(error) : resolve(answer),
      ),
    )
  /** @param {number} first */
  async function read(first) {
    let count = 0
    for await (const { number } of client.stream({ first }))
      if (number !== first + count++) throw new Error('an item is missing')
    return count
  }
  return {
    drive: (/** @type {import('../load.mjs').Load} */ load) => drive(load, work, job.kind === 'stream' ? read : call),
    stop: async () => {
      client.close()
      await stopWorkers(workers)
    },
  }
}

/** @param {import('../job.mjs').Job} job */
export async function serve({ setup }) {
  const server = new grpc.Server()
  server.addService(Orders.service, {
    total: (/** @type {any} */ { request }, /** @type {Function} */ done) => done(null, methods.total(request)),
    stream: (/** @type {any} */ call) => {
      const { first } = call.request
      let index = 0
      const write = () => {
        while (index < ITEMS) if (!call.write(orderOf(first + index++))) return call.once('drain', write)
        return call.end()
      }
      write()
    },
  })
  await new Promise((resolve, reject) =>
    server.bindAsync(setup.address, grpc.ServerCredentials.createInsecure(), (/** @type {unknown} */ error) =>
      error ? reject(error) : resolve(undefined),
    ),
  )
  ready()
}
