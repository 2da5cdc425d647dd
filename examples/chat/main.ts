/**
 * Chat: rooms, presence and history across all cores of one machine, over WebSocket. No broker, no database.
 *
 *     npm start                                   http://localhost:3000, Ctrl-C stops it
 *     PORT=8080 HOST=0.0.0.0 WORKERS=4 npm start  another port, for the whole network, with four workers
 *
 * Try it: open a few tabs (the line at the foot of the page says which worker serves each), then `kill -9` one of
 * those workers. Its pages come back through another worker, with what they missed. `kill -HUP` replaces all workers.
 *
 * Reading order: `contract.ts` (what crosses process borders), `room.ts` and `rooms.ts` (the state, pure),
 * `primary.ts` (that state as methods), `worker.ts`, `connection.ts` and `seat.ts` (one WebSocket), `wire.ts` and
 * `limits.ts` (what may come in), `public/app.js` (the page).
 */
import { createHash, randomUUID } from 'node:crypto'
import { ClusterClosedError, createCluster, currentCall, type PrimaryCluster } from 'troupe'
import type { Contract } from './contract.js'
import { createPrimary } from './primary.js'
import { Rooms } from './rooms.js'
import { readSettings } from './settings.js'

const rooms = new Rooms({
  now: Date.now,
  createId: randomUUID,
  personOf: (client) => createHash('sha256').update(client).digest('base64url').slice(0, 12),
  permanent: ['lobby', 'garden', 'workshop'],
})

const primary = createPrimary({
  rooms,
  caller() {
    const { caller } = currentCall()
    if (!caller) throw new Error('The methods of the primary are there for workers to call')
    return caller
  },
  // Workers call while the last of them still starts; what is published then waits for the cluster, in order.
  publish(channel, value) {
    const published = starting.then((cluster) => cluster.publish(channel, value))
    // The rooms keep what was said: a worker that misses it sees the hole, and asks. When all ends, nobody listens.
    published.catch((error) => error instanceof ClusterClosedError || console.warn(error))
  },
})

const starting = start()
try {
  const cluster = await starting
  cluster.on('exit', ({ incarnation }) => primary.workerGone(incarnation))
  const { host, port } = await cluster.any().address()
  const name = ['127.0.0.1', '0.0.0.0', '::', '::1'].includes(host) ? 'localhost' : host
  console.log(`Chat on http://${name}:${port} (${cluster.workers.size} workers). Ctrl-C stops it.`)
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}

async function start(): Promise<PrimaryCluster<Contract>> {
  const { workers } = readSettings(process.env)
  return createCluster<Contract>({
    exec: new URL('./worker.ts', import.meta.url),
    methods: primary.methods,
    // Not before the page is served: a port that is taken fails the start.
    ready: 'listen',
    signals: true,
    ...(workers && { workers }),
  })
}

function explain(error: unknown): string {
  const problem = primary.listenProblem()
  if (!problem) return error instanceof Error ? error.message : String(error)
  const { host, port } = readSettings(process.env)
  if (problem.code !== 'EADDRINUSE') return `Cannot listen on ${host}, port ${port}: ${problem.message}`
  return `Port ${port} on ${host} is in use. Choose another one: PORT=${port + 1} npm start`
}
