// What one writes by hand over `process.send`: one message for each call, one for each answer, and a Map of promises. In
// node's default JSON (`setup.serialization` says `advanced`), and with superjson around the values (`setup.superjson`).

import { driveIn, forkWorkers, ready, stopWorkers } from '../children.mjs'
import { peer } from '../job.mjs'
import { drive } from '../load.mjs'
import { methods, workOf } from '../orders.mjs'

/** @typedef {import('../bursts.mjs').Port} Port */
/** @typedef {import('../load.mjs').Load} Load */
/** @typedef {{ serialization?: import('node:child_process').SerializationType, superjson?: boolean }} Setup */

/** @param {import('../job.mjs').Job & { setup: Setup }} job */
export async function start(job) {
  const { serialization = 'json' } = job.setup
  const work = workOf(job)
  const workers = await forkWorkers(job, { serialization })
  const [first, second] = workers
  const stop = () => stopWorkers(workers)
  if (second) {
    forward(first, second)
    return { drive: (/** @type {Load} */ load) => driveIn(first, load), stop }
  }
  const call = await open(first, job.setup)
  return {
    drive: (/** @type {Load} */ load) =>
      job.route === 'worker to primary'
        ? driveIn(first, load)
        : drive(load, work, (argument) => call(work.method, [argument])),
    stop,
  }
}

/** @param {import('../job.mjs').Job & { setup: Setup }} job */
export async function serve(job) {
  const work = workOf(job)
  const call = await open(/** @type {Port} */ (/** @type {unknown} */ (process)), job.setup)
  ready((load) => drive(load, work, (argument) => call(work.method, [argument])))
}

/**
 * One end of a channel: answers calls, and makes them.
 * @param {Port} port
 * @param {Setup} setup
 * @returns {Promise<(method: string, args: unknown[]) => Promise<unknown>>}
 */
async function open(port, setup) {
  const superjson = setup.superjson ? (await peer('superjson')).default : undefined
  /** @type {Record<string, (argument: any) => unknown>} */
  const table = methods
  /** @type {Map<number, { resolve(value: unknown): void, reject(error: Error): void }>} */
  const pending = new Map()
  let nextId = 0
  port.on('message', async ({ id, method, args, value, error }) => {
    if (id === undefined) return
    if (method === undefined) {
      const call = pending.get(id)
      pending.delete(id)
      if (error) call?.reject(new Error(error))
      else call?.resolve(superjson ? superjson.deserialize(value) : value)
      return
    }
    try {
      const [argument] = superjson ? superjson.deserialize(args) : args
      const answer = await table[method]?.(argument)
      port.send({ id, value: superjson ? superjson.serialize(answer) : answer })
    } catch (error) {
      port.send({ id, error: String(error) })
    }
  })
  return (method, args) =>
    new Promise((resolve, reject) => {
      const id = nextId++
      pending.set(id, { resolve, reject })
      port.send({ id, method, args: superjson ? superjson.serialize(args) : args })
    })
}

/** In the primary: one worker's calls go to another, and the answers back. @param {Port} caller @param {Port} callee */
function forward(caller, callee) {
  caller.on('message', (message) => message.id !== undefined && callee.send(message))
  callee.on('message', (message) => message.id !== undefined && caller.send(message))
}
