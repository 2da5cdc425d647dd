import cluster from 'node:cluster'
import type { Server as HttpServer } from 'node:http'
import type { Http2Session } from 'node:http2'
import { Server as NetServer, type Socket } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import type { ListenAddress } from '../protocol/frames.js'
import type { Clock } from '../runtime/clock.js'
import { ResponseWatch } from './responses.js'

/** Changes in the number of connections are told to the primary at most this often, ms. */
const LOAD_INTERVAL = 100

/** What the primary is told of the servers. */
export interface ServerReports {
  load(connections: number): void
  listens(addresses: ListenAddress[]): void
}

/** One server of this process, and what is open on it. */
interface TrackedServer {
  readonly server: NetServer
  readonly sockets: Set<Socket>
  /** HTTP/2: told to go away (RFC 9113 6.8), each ends with its last stream. */
  readonly sessions: Set<Http2Session>
  /** What it asked the cluster for; `undefined` for one that listens by itself (`exclusive`). */
  asked: ListenAddress | undefined
}

/**
 * Every server of this worker that listens, whoever wrote it, so that it can be drained without the program's help: stop
 * accepting, `Connection: close` on the next response of each keep-alive connection, cut what is left at the deadline.
 */
export class ServerRegistry {
  readonly #clock: Clock
  readonly #onLoad: (connections: number) => void
  readonly #onListens: (addresses: ListenAddress[]) => void
  /** Those that listen, or have asked to. */
  readonly #tracked = new Map<NetServer, TrackedServer>()
  readonly #known = new WeakMap<NetServer, TrackedServer>()
  readonly #responses = new ResponseWatch()
  #reported = 0
  #reportDue = false

  constructor(clock: Clock, reports: ServerReports) {
    this.#clock = clock
    this.#onLoad = reports.load
    this.#onListens = reports.listens
    this.#watchListen()
    this.#watchQueries()
  }

  get connections(): number {
    let count = 0
    for (const { sockets } of this.#tracked.values()) count += sockets.size
    return count
  }

  /**
   * Resolves when no connection is left, with how many were cut at the deadline. In a stop, connections with nothing under
   * way are closed once the program's own hooks have run, which close what they know of better (`hooks`).
   */
  async drain(mode: 'stop' | 'reload', deadline: number, hooks: Promise<unknown>): Promise<number> {
    this.#responses.drain(mode)
    const servers = [...this.#tracked.values()]
    const ended = servers.map(({ server }) => closeServer(server, mode))
    for (const { sessions } of servers) for (const session of sessions) session.close()
    if (mode === 'stop') void hooks.then(() => this.#closeQuiet(servers))
    let cut = 0
    const timer = this.#clock.after(deadline - this.#clock.now(), () => {
      cut = this.connections
      for (const { sockets } of servers) for (const socket of sockets) socket.destroy()
    })
    await Promise.all(ended)
    timer.cancel()
    return cut
  }

  /** Upgraded ones, and those that have not sent a request: none has an answer coming. */
  #closeQuiet(servers: readonly TrackedServer[]): void {
    for (const { server, sockets } of servers) {
      if (!isHttp(server)) continue
      for (const socket of sockets) if (!this.#responses.isBusy(socket)) socket.destroySoon()
    }
  }

  #watchListen(): void {
    const registry = this
    const listen = NetServer.prototype.listen
    NetServer.prototype.listen = function (this: NetServer, ...args: unknown[]): NetServer {
      registry.#track(this)
      return Reflect.apply(listen, this, args) as NetServer
    } as typeof listen
  }

  /** Node asks the primary for a handle here, with the address as the program gave it: port 0 is still 0. */
  #watchQueries(): void {
    const worker = cluster as typeof cluster & { _getServer: GetServer }
    const getServer = worker._getServer
    worker._getServer = (server, options, callback) => {
      const tracked = this.#known.get(server)
      const { address, port, addressType } = options
      if (tracked) tracked.asked = { address, port, addressType }
      getServer.call(worker, server, options, callback)
    }
  }

  #tellListens(): void {
    const servers = [...this.#tracked.values()].filter(({ server }) => server.listening)
    this.#onListens(servers.map(({ asked }) => asked ?? ALONE))
  }

  /** Called at every `listen`, also of a server that was closed and listens again; its listeners are added once. */
  #track(server: NetServer): void {
    const known = this.#known.get(server)
    const tracked: TrackedServer = known ?? { server, sockets: new Set(), sessions: new Set(), asked: undefined }
    this.#tracked.set(server, tracked)
    if (known) return
    this.#known.set(server, tracked)
    server.on('listening', () => this.#tellListens())
    server.on('close', () => {
      this.#tracked.delete(server)
      this.#tellListens()
    })
    server.on('session', (session: Http2Session) => {
      tracked.sessions.add(session)
      session.once('close', () => tracked.sessions.delete(session))
    })
    // Of a TLS server the socket that responses are written to, not the one below it.
    server.on(isTls(server) ? 'secureConnection' : 'connection', (socket: Socket) => {
      tracked.sockets.add(socket)
      socket.once('close', () => {
        tracked.sockets.delete(socket)
        this.#loadChanged()
      })
      this.#loadChanged()
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

/** Told by what they can do: to import `http` and `tls` for a comparison would cost every worker their start. */
function isHttp(server: NetServer): server is HttpServer {
  return typeof (server as Partial<HttpServer>).closeIdleConnections === 'function'
}

function isTls(server: NetServer): boolean {
  return typeof (server as Partial<TlsServer>).setSecureContext === 'function'
}

type GetServer = (server: NetServer, options: ListenAddress, callback: unknown) => void

/** How a server is named that the cluster does not share: whoever replaces this worker need not have the same. */
const ALONE: ListenAddress = { address: 'a server of its own', port: 0 }

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
    try {
      if (mode === 'stop') server.close(() => resolve())
      else NetServer.prototype.close.call(server, () => resolve())
      if (mode === 'stop' && isHttp(server)) server.closeIdleConnections()
    } catch {
      // A program may have replaced `close` by one that throws: then ours, and its connections have the deadline.
      NetServer.prototype.close.call(server, () => resolve())
    }
  })
}
