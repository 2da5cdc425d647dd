/**
 * Sticky connections by a policy of one's own: whoever comes from one address is served by one worker, so that a worker can
 * remember its clients. People used to write this with `net.createServer({ pauseOnConnect: true })` in the primary,
 * `worker.send('sticky-session:connection', connection)`, and `server.emit('connection', connection)` in the worker. Here it
 * is a function; the app in `worker.ts` listens as any app does, and a worker that dies on the way loses no connection.
 *
 *     node --import tsx examples/sticky/main.ts    http://localhost:3000, Ctrl-C stops it
 *
 * Try it: `curl localhost:3000` counts your visits, always at the same worker. `curl --interface 127.0.0.2 localhost:3000`
 * is somebody else. Where this policy is all that is wanted, `balance: 'ip-hash'` does it, and moves fewer clients when the
 * number of workers changes. PORT, HOST and WORKERS set what they say.
 */
import { createCluster } from 'troupe'

const cluster = await createCluster({
  exec: new URL('./worker.ts', import.meta.url),
  workers: Number(process.env.WORKERS ?? 4),
  ready: 'listen',
  signals: true,
  balance({ remoteAddress = '' }, workers) {
    let sum = 0
    for (const character of remoteAddress) sum = (sum * 31 + character.charCodeAt(0)) % 65_521
    return workers[sum % workers.length]!.id
  },
})
for (const { id, pid } of cluster.workers.values()) console.log(`Worker ${id} is process ${pid}`)
