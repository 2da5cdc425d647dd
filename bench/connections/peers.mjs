// Primaries of what people use beside node's own cluster. Each starts its workers, says on which port they serve, and stops them.

import cluster from 'node:cluster'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** @typedef {{ port: number, stop: () => Promise<void> }} Started */

/** Of packages that are not always here. @param {string} name @returns {Promise<any>} */
const load = (name) => import(name)

/** @param {string} name */
const file = (name) => fileURLToPath(new URL(name, import.meta.url))

/** The primary reads the head of each first request, and sends it along. @param {number} workers @returns {Promise<Started>} */
export async function startSticky(workers) {
  const { setupMaster } = await load('@socket.io/sticky')
  cluster.setupPrimary({ exec: file('sticky-worker.mjs'), serialization: 'advanced' })
  await Promise.all(Array.from({ length: workers }, () => once(cluster.fork(), 'message')))
  const server = createHttpServer()
  setupMaster(server, { loadBalancingMethod: 'round-robin' })
  return { port: await listen(server), stop: stopWorkers }
}

/** @param {number} workers @returns {Promise<Started>} */
export async function startReusePort(workers) {
  // Found free: all of them have to name the same.
  const probe = createServer()
  const port = await listen(probe)
  probe.close()
  await once(probe, 'close')
  cluster.setupPrimary({ exec: file('reuse-port-worker.mjs') })
  const env = { PORT: String(port) }
  await Promise.all(Array.from({ length: workers }, () => once(cluster.fork(env), 'listening')))
  return { port, stop: stopWorkers }
}

/** Its daemon is this process, with a home of its own that is gone afterwards. @param {number} workers @returns {Promise<Started>} */
export async function startPm2(workers) {
  const home = mkdtempSync(join(tmpdir(), 'troupe-bench-pm2-'))
  Object.assign(process.env, { PM2_HOME: home, PM2_SILENT: 'true' })
  const { default: pm2 } = await load('pm2')
  /** @param {(done: (error: unknown) => void) => void} step */
  const done = (step) =>
    new Promise((resolve, reject) =>
      step((/** @type {unknown} */ error) => (error ? reject(error) : resolve(undefined))),
    )
  const listening = new Promise((resolve) => {
    let count = 0
    cluster.on('listening', (_worker, { port }) => {
      if (++count === workers) resolve(port)
    })
  })
  await done((end) => pm2.connect(true, end))
  await done((end) => pm2.start({ script: file('worker.mjs'), instances: workers, exec_mode: 'cluster' }, end))
  const port = /** @type {number} */ (await listening)
  const stop = async () => {
    await done((end) => pm2.delete('all', end))
    rmSync(home, { recursive: true, force: true })
  }
  return { port, stop }
}

/** @param {import('node:net').Server} server */
async function listen(server) {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return /** @type {import('node:net').AddressInfo} */ (server.address()).port
}

async function stopWorkers() {
  const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
  const ended = workers.map((worker) => once(worker.process, 'exit'))
  for (const worker of workers) worker.process.kill('SIGTERM')
  await Promise.all(ended)
}
