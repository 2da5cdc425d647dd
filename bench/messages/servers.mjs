// Programs that some candidates need beside their own processes: a broker, a name server. On loopback, for one measurement.

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** For sockets and what else has a path. It goes when this process does. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/**
 * Up when it listens; killed when this process ends.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ port: number } | { path: string }} address
 */
export async function startServer(command, args, address) {
  const server = spawn(command, args, { stdio: 'ignore' })
  process.once('exit', () => server.kill('SIGKILL'))
  while (!(await accepts(address))) {
    if (server.exitCode !== null) throw new Error(`${command} ended with ${server.exitCode} before it listened`)
    await sleep(POLL)
  }
}

const POLL = 20

/** @param {{ port: number } | { path: string }} address */
function accepts(address) {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', ...address }, () => resolve(true))
    socket.on('connect', () => socket.destroy()).on('error', () => resolve(false))
  })
}
