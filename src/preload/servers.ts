import { channel } from 'node:diagnostics_channel'
import { Server as HttpServer, type ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import type { Clock } from '../runtime/clock.js'

/** Changes in the number of connections are told to the primary at most this often, ms. */
const LOAD_INTERVAL = 100

/** One server of this process, and what is open on it. */
interface TrackedServer {
  readonly server: NetServer
  readonly sockets: Set<Socket>
}

/**
 * Every server of this worker that listens, whoever wrote it, so that it can be drained without the program's help: stop
 * accepting, `Connection: close` on the next response of each keep-alive connection, cut what is left at the deadline.
 */
export class ServerRegistry {
  readonly #clock: Clock
  readonly #onLoad: (connections: number) => void
  /** Those that listen, or have asked to. */
  readonly #tracked = new Map<NetServer, TrackedServer>()
  readonly #known = new WeakMap<NetServer, TrackedServer>()
  /** Responses under way, so that a drain reaches those that have not sent their head yet. */
  readonly #responses = new Set<ServerResponse>()
  #drainMode: 'stop' | 'reload' | undefined
  #reported = 0
  #reportDue = false

  constructor(clock: Clock, onLoad: (connections: number) => void) {
    this.#clock = clock
    this.#onLoad = onLoad
    this.#watchListen()
    this.#watchResponses()
  }

  get connections(): number {
    let count = 0
    for (const { sockets } of this.#tracked.values()) count += sockets.size
    return count
  }

  /** Resolves when no connection is left, with how many were cut at the deadline. */
  async drain(mode: 'stop' | 'reload', deadline: number): Promise<number> {
    this.#drainMode = mode
    for (const response of this.#responses) closeAfter(response)
    const ended = [...this.#tracked.values()].map(({ server }) => closeServer(server, mode))
    let cut = 0
    const timer = this.#clock.after(deadline - this.#clock.now(), () => {
      cut = this.connections
      for (const { sockets } of this.#tracked.values()) for (const socket of sockets) socket.destroy()
    })
    await Promise.all(ended)
    timer.cancel()
    return cut
  }

  #watchListen(): void {
    const registry = this
    const listen = NetServer.prototype.listen
    NetServer.prototype.listen = function (this: NetServer, ...args: unknown[]): NetServer {
      registry.#track(this)
      return Reflect.apply(listen, this, args) as NetServer
    } as typeof listen
  }

  /** Called at every `listen`, also of a server that was closed and listens again; its listeners are added once. */
  #track(server: NetServer): void {
    const known = this.#known.get(server)
    const tracked: TrackedServer = known ?? { server, sockets: new Set() }
    this.#tracked.set(server, tracked)
    if (known) return
    this.#known.set(server, tracked)
    server.on('close', () => this.#tracked.delete(server))
    server.on('connection', (socket: Socket) => {
      tracked.sockets.add(socket)
      socket.once('close', () => {
        tracked.sockets.delete(socket)
        this.#loadChanged()
      })
      this.#loadChanged()
    })
  }

  #watchResponses(): void {
    channel('http.server.request.start').subscribe((message) => {
      const { response, server } = message as { response: ServerResponse; server: HttpServer }
      if (this.#drainMode) closeAfter(response)
      this.#responses.add(response)
      response.once('close', () => {
        this.#responses.delete(response)
        // Its head was out before the drain, and has promised to keep the connection, which is idle now.
        if (this.#drainMode === 'stop') server.closeIdleConnections()
      })
    })
  }

  #loadChanged(): void {
    if (this.#reportDue) return
    this.#reportDue = true
    this.#clock.after(
      LOAD_INTERVAL,
      () => {
        this.#reportDue = false
        const { connections } = this
        if (connections !== this.#reported) this.#onLoad(connections)
        this.#reported = connections
      },
      { idle: true },
    )
  }
}

/** The client is told that this is the connection's last response, unless the head is out already. */
function closeAfter(response: ServerResponse): void {
  if (!response.headersSent) response.shouldKeepAlive = false
}

/**
 * Stops accepting; resolves when every connection has ended. In a reload idle keep-alive connections stay until their own
 * timeout, because closing one resets a request that is just arriving on it; in a stop they are closed at once.
 */
function closeServer(server: NetServer, mode: 'stop' | 'reload'): Promise<void> {
  // Node breaks when a server is closed while the primary still works on its `listen`: close it when that is done.
  if (!server.listening) {
    server.once('listening', () => server.close())
    return Promise.resolve()
  }
  return new Promise((resolve) => {
    if (mode === 'stop') server.close(() => resolve())
    else NetServer.prototype.close.call(server, () => resolve())
    if (mode === 'stop' && server instanceof HttpServer) server.closeIdleConnections()
  })
}
