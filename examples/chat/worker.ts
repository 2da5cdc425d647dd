/**
 * One worker: serves the page, and holds WebSockets. Started by `main.ts`, once per core.
 */
import { createServer, type IncomingMessage } from 'node:http'
import { joinCluster } from 'troupe'
import { WebSocketServer } from 'ws'
import { Audience } from './audience.js'
import { Connection } from './connection.js'
import {
  type Contract,
  directoryChanged,
  messagePosted,
  presenceChanged,
  typing,
  type WorkerMethods,
} from './contract.js'
import { LIMITS } from './limits.js'
import { loadPublicFiles } from './public-files.js'
import { readSettings } from './settings.js'
import { CLOSE } from './wire.js'

const { host, port } = readSettings(process.env)
const audience = new Audience()
const server = createServer(await loadPublicFiles())
const methods: WorkerMethods = {
  address() {
    const address = server.address()
    return { host, port: typeof address === 'object' && address ? address.port : port }
  },
  wave: (connection, to, from) => audience.showWave(connection, to, from),
}
const cluster = await joinCluster<Contract>(methods)

// Subscribed, then read, then listening: nothing that is published can fall between the steps.
const subscriptions = [
  cluster.subscribe(messagePosted, (event) => audience.deliver(event)),
  cluster.subscribe(presenceChanged, (event) => audience.showPeople(event)),
  cluster.subscribe(directoryChanged, (rooms) => audience.showDirectory(rooms)),
  cluster.subscribe(typing, (event) => audience.showTyping(event)),
]
await Promise.all(subscriptions.map((subscription) => subscription.active))
audience.showDirectory(await cluster.primary().directory())

const webSockets = new WebSocketServer({ noServer: true, maxPayload: LIMITS.frameBytes })
let connections = 0

server.on('upgrade', (request, socket, head) => {
  const status = refuseUpgrade(request)
  if (status) {
    socket.on('error', () => {})
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    return
  }
  webSockets.handleUpgrade(request, socket, head, (webSocket) => {
    connections += 1
    const connection = new Connection({
      id: connections,
      socket: webSocket,
      audience,
      cluster,
      now: () => performance.now(),
    })
    connection.send({ type: 'welcome', worker: cluster.id, pid: process.pid })
    audience.add(connection)
  })
})

const heartbeat = setInterval(() => audience.checkHeartbeats(), LIMITS.heartbeatMs)

// This worker is to be replaced, or the cluster stops: the pages move to another worker, which is ready already.
cluster.onDrain(() => {
  clearInterval(heartbeat)
  audience.closeAll(CLOSE.goingAway, 'This worker is being replaced')
})

server.on('error', async ({ code = '', message }: NodeJS.ErrnoException) => {
  await cluster.primary().cannotListen({ code, message })
  process.exit(1)
})
server.listen(port, host)

function refuseUpgrade(request: IncomingMessage): string | undefined {
  const { origin, host: ownHost } = request.headers
  if (request.url !== '/chat') return '404 Not Found'
  // A foreign site's script may open a WebSocket to here; the browser says whose it is. Programs send no origin.
  if (origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === ownHost)) return '403 Forbidden'
  if (audience.isFull) return '503 Service Unavailable'
  return undefined
}
