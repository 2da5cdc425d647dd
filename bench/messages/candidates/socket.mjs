// The limit: a unix socket between the two processes that talk, one write for each message, JSON behind its length. Binary
// goes as it is, is put together again to a whole at the receiver, and answered by a short message.
//
// A socket has no direction and needs nobody in between, so the caller is this program's primary whatever the route.

import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { forkWorkers, ready, stopWorkers } from '../children.mjs'
import { drive } from '../load.mjs'
import { methods, workOf } from '../orders.mjs'

/** @typedef {import('node:net').Socket} Socket */

/** @param {import('../job.mjs').Job} job */
export async function start(job) {
  const work = workOf(job)
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const path = join(folder, 's')
  const server = createServer()
  await new Promise((resolve) => server.listen(path, () => resolve(undefined)))
  const connected = new Promise((resolve) => server.once('connection', resolve))
  const workers = await forkWorkers({ ...job, route: 'primary to worker', setup: { path } })
  const call = open(/** @type {Socket} */ (await connected))
  return {
    drive: (/** @type {import('../load.mjs').Load} */ load) =>
      drive(load, work, (argument) => call(work.method, argument)),
    stop: async () => {
      await stopWorkers(workers)
      rmSync(folder, { recursive: true })
    },
  }
}

/** @param {import('../job.mjs').Job} job */
export async function serve({ setup }) {
  const socket = connect(/** @type {string} */ (setup.path))
  open(socket)
  socket.once('connect', () => ready())
}

/**
 * One end: answers calls, and makes them.
 * @param {Socket} socket
 * @returns {(method: string, argument: unknown) => Promise<unknown>}
 */
function open(socket) {
  /** @type {Record<string, (argument: any) => unknown>} */
  const table = methods
  /** @type {Map<number, { resolve(value: unknown): void, reject(error: Error): void }>} */
  const pending = new Map()
  let nextId = 0
  /** @param {{ id: number, method?: string, argument?: unknown, value?: unknown, error?: string }} message */
  async function got({ id, method, argument, value, error }) {
    if (method === undefined) {
      const call = pending.get(id)
      pending.delete(id)
      if (error) call?.reject(new Error(error))
      else call?.resolve(value)
      return
    }
    try {
      writeJson(socket, { id, value: await table[method]?.(argument) })
    } catch (error) {
      writeJson(socket, { id, error: String(error) })
    }
  }
  readMessages(socket, (body, isBinary) => {
    if (isBinary) void got({ id: body.readUInt32LE(0), method: 'weigh', argument: body.subarray(ID) })
    else void got(JSON.parse(body.toString()))
  })
  return (method, argument) =>
    new Promise((resolve, reject) => {
      const id = nextId++
      pending.set(id, { resolve, reject })
      if (argument instanceof Uint8Array) writeBinary(socket, id, argument)
      else writeJson(socket, { id, method, argument })
    })
}

/** Length of what follows, four bytes, and whether that is binary, one. */
const HEAD = 5
/** Of a binary message, before its bytes. */
const ID = 4

/** @param {Socket} socket @param {object} message */
function writeJson(socket, message) {
  const text = JSON.stringify(message)
  const length = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(HEAD + length)
  frame.writeUInt32LE(length, 0)
  frame[4] = 0
  frame.write(text, HEAD)
  socket.write(frame)
}

/** @param {Socket} socket @param {number} id @param {Uint8Array} bytes */
function writeBinary(socket, id, bytes) {
  const head = Buffer.allocUnsafe(HEAD + ID)
  head.writeUInt32LE(ID + bytes.length, 0)
  head[4] = 1
  head.writeUInt32LE(id, HEAD)
  socket.cork()
  socket.write(head)
  socket.write(bytes)
  socket.uncork()
}

/**
 * Whole messages, in whatever pieces they come.
 * @param {Socket} socket
 * @param {(body: Buffer, isBinary: boolean) => void} got
 */
function readMessages(socket, got) {
  /** What has come of a message that is not whole. @type {Buffer[]} */
  let pieces = []
  let size = 0
  let needed = HEAD
  socket.on('data', (chunk) => {
    pieces.push(/** @type {Buffer} */ (chunk))
    size += chunk.length
    if (size < needed) return
    let rest = pieces.length === 1 ? /** @type {Buffer} */ (pieces[0]) : Buffer.concat(pieces, size)
    for (;;) {
      needed = rest.length < HEAD ? HEAD : HEAD + rest.readUInt32LE(0)
      if (rest.length < needed) break
      got(rest.subarray(HEAD, needed), rest[4] === 1)
      rest = rest.subarray(needed)
    }
    pieces = rest.length > 0 ? [rest] : []
    size = rest.length
  })
}
