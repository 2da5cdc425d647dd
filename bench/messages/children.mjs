// Workers for candidates that bring none of their own: forked by node, told to drive by node's own messages.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { workersOf } from './job.mjs'

export const workerFile = fileURLToPath(new URL('worker.mjs', import.meta.url))

/**
 * All of them, when all are ready.
 * @param {import('./job.mjs').Job} job
 * @param {import('node:child_process').ForkOptions} [options]
 */
export async function forkWorkers(job, options) {
  const children = Array.from({ length: workersOf(job) }, () => fork(workerFile, [JSON.stringify(job)], options))
  await Promise.all(children.map(isReady))
  return /** @type {[import('node:child_process').ChildProcess, ...import('node:child_process').ChildProcess[]]} */ (
    children
  )
}

/** @param {import('node:events').EventEmitter} child a child, or one of node's cluster workers */
export async function isReady(child) {
  const died = once(child, 'exit').then(([code, signal]) => Promise.reject(new Error(`ended with ${code ?? signal}`)))
  died.catch(() => {})
  await Promise.race([once(child, 'message'), died])
}

/** @param {import('node:child_process').ChildProcess[]} children */
export async function stopWorkers(children) {
  const ended = children.map((child) => child.exitCode ?? once(child, 'exit'))
  for (const child of children) child.disconnect()
  await Promise.all(ended)
}

/**
 * Has a worker drive, and gives what it measured.
 * @param {{ send(message: object): unknown, on(event: 'message', listener: (message: any) => void): unknown, off(event: 'message', listener: (message: any) => void): unknown }} child
 * @param {import('./load.mjs').Load} load
 * @returns {Promise<import('./load.mjs').Driven>}
 */
export function driveIn(child, load) {
  return new Promise((resolve) => {
    child.on('message', function listener({ driven }) {
      if (!driven) return
      child.off('message', listener)
      resolve(driven)
    })
    child.send({ drive: load })
  })
}

/**
 * In a worker: ready, and driving when it is told to. It ends with its primary.
 * @param {(load: import('./load.mjs').Load) => Promise<import('./load.mjs').Driven>} [run]
 */
export function ready(run) {
  process.on('disconnect', () => process.exit())
  process.on('message', async (/** @type {any} */ { drive }) => {
    if (drive && run) process.send?.({ driven: await run(drive) })
  })
  process.send?.('ready')
}
