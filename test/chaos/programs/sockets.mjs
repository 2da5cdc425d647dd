// What the kernel knows of sockets, from /proc: the witness of every run, which no code of ours can deceive. Plain
// JavaScript, because the app under test asks for it as well.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * The clients' ports of all connections to `port` that the process holds: accepted by it, or handed to it.
 * @param {number | 'self'} pid
 * @param {number} port
 * @returns {Set<number>}
 */
export function clientsHeldBy(pid, port) {
  const held = new Set(descriptorsOf(pid))
  const clients = new Set()
  for (const [, client = '', state, inode] of tableOf(port).matchAll(connectionsTo(port)))
    if (state !== LISTENING && held.has(`socket:[${inode}]`)) clients.add(Number.parseInt(client, 16))
  return clients
}

/**
 * The system's connections, of the kind that this port has. The other kind is not looked at: there can be very many in
 * TIME_WAIT, and who waits for this may be waited for.
 * @param {number} port
 */
function tableOf(port) {
  const table = read('/proc/self/net/tcp6')
  const isThere = [...table.matchAll(connectionsTo(port))].some(([, , state]) => state === LISTENING)
  return isThere ? table : read('/proc/self/net/tcp')
}

const LISTENING = '0A'

/**
 * What the process's descriptors stand for.
 * @param {number | 'self'} pid
 * @returns {string[]}
 */
export function descriptorsOf(pid) {
  const folder = `/proc/${pid}/fd`
  try {
    return readdirSync(folder).flatMap((fd) => {
      try {
        return [readlinkSync(`${folder}/${fd}`)]
      } catch {
        return [] // Closed since the folder was read.
      }
    })
  } catch {
    return [] // Ended.
  }
}

/**
 * Stopped, or ended? A signal takes effect when the process next leaves the kernel, until which it may yet get a descriptor.
 * @param {number} pid
 * @returns {boolean}
 */
export function hasStopped(pid) {
  return !/\) [RSD] /.test(read(`/proc/${pid}/stat`))
}

/**
 * The memory that the process has in use, in MB.
 * @param {number} pid
 * @returns {number}
 */
export function memoryOf(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024
}

/**
 * Of a line like `1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 12345 …` the client's port,
 * the state and the inode. Not of those in TIME_WAIT (06), which nobody holds.
 * @param {number} port
 */
function connectionsTo(port) {
  const local = port.toString(16).toUpperCase().padStart(4, '0')
  return new RegExp(`: \\w+:${local} \\w+:(\\w+) (?!06)(\\w+) \\S+ \\S+ \\S+ +\\d+ +\\d+ (\\d+)`, 'g')
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}
