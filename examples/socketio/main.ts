/**
 * Socket.IO over HTTP long-polling, on several workers and without a sticky load balancer in front: a cookie brings each
 * request of a client to the worker that has its session. The app sets no such cookie itself; the runtime gives one to
 * whoever comes without (`issue`), chosen so that it leads back to the worker which answered.
 *
 *     node --import tsx examples/socketio/main.ts    http://localhost:3000, Ctrl-C stops it
 *
 * Try it: open the page in two windows, one of them private, so that it has a cookie of its own, and say something. Then
 * change `balance` to 'round-robin', and see what Socket.IO needs the cookie for: "Session ID unknown". A client without
 * cookies must use WebSockets alone (`transports: ['websocket']`): one connection has nothing to come back to.
 * PORT, HOST and WORKERS set what they say.
 */
import { createCluster } from 'troupe'

const cluster = await createCluster({
  exec: new URL('./worker.ts', import.meta.url),
  workers: Number(process.env.WORKERS ?? 4),
  ready: 'listen',
  signals: true,
  balance: { cookie: 'worker', issue: true },
})
for (const { id, pid } of cluster.workers.values()) console.log(`Worker ${id} is process ${pid}`)
