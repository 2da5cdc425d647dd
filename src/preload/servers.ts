import type { Server as HttpServer, ServerResponse } from 'node:http'
import type { Http2Session } from 'node:http2'
import { Server as NetServer, type Socket } from 'node:net'
import type { ListenAddress } from '../protocol/frames.js'
import type { Clock } from '../runtime/clock.js'
import { ConnectionDrain, type DrainMode } from './drain.js'
import { openConnections } from './handles.js'
import { HttpConnections, onConnectionClosed } from './http-connections.js'
import { type RequestHook, RequestWatch } from './requests.js'
import { KeepAliveEnd } from './responses.js'
import { isHttp, isTls } from './server-kinds.js'
import { type TrackedServer, trackedServer } from './tracked-server.js'
import { WebSockets } from './websockets.js'

/** Changes in the number of connections are told to the primary at most this often, ms. */
const LOAD_INTERVAL = 100

/** Whom the registry tells of the servers. */
export interface ServerReports {
  /** To the primary, and not more often than it needs to know. */
  load(connections: number): void
  listens(addresses: ListenAddress[]): void
  /** A connection that this server had accepted has closed; of a TLS server the one below TLS. At once, for each. */
  connectionClosed(server: NetServer): void
}

/**
 * Every server of this worker that listens, whoever wrote it, and what is open on it: so that the primary knows the load,
 * and all of it can be drained without the program's help.
 */
export class ServerRegistry {
  readonly #clock: Clock
  readonly #reports: ServerReports
  /** Those that listen, or have asked to. */
  readonly #tracked = new Map<NetServer, TrackedServer>()
  readonly #known = new WeakMap<NetServer, TrackedServer>()
  readonly #requests = new RequestWatch()
  readonly #keepAlive = new KeepAliveEnd()
  readonly #webSockets: WebSockets
  #drain: ConnectionDrain | undefined
  /** Connections of the servers whose connections are noted here. */
  #noted = 0
  #expected = 0
  #reported = 0
  #reportDue = false

  constructor(clock: Clock, reports: ServerReports) {
    this.#clock = clock
    this.#reports = reports
    this.#webSockets = new WebSockets(clock)
    this.#watchListen()
  }

  get connections(): number {
    let count = this.#noted
    for (const { server, sockets } of this.#tracked.values())
      if (sockets instanceof HttpConnections) count += openConnections(server)
    return count
  }

  /** Looks at every HTTP/1 request at its start. Costs nothing while there is none. */
  set onRequest(hook: RequestHook | undefined) {
    this.#requests.hook = hook
  }

  /** Ends the connection with the answer to the last request that has arrived on it. */
  closeAfterLast(response: ServerResponse): void {
    this.#keepAlive.closeAfterLast(response)
  }

  /** A connection is about to be given to a server: a drain waits for it. Call what it returns when that is done. */
  expect(): () => void {
    this.#expected += 1
    return () => {
      this.#expected -= 1
      this.#tellEmpty()
    }
  }

  /** The server has asked the cluster for this address, as the program gave it: port 0 is still 0. */
  asked(server: NetServer, address: ListenAddress): void {
    const tracked = this.#known.get(server)
    if (tracked) tracked.asked = address
  }

  /** Ends all connections, see `ConnectionDrain`. Resolves when that is done, with how many were cut at the deadline. */
  drain(mode: DrainMode, deadline: number, hooks: Promise<unknown>): Promise<number> {
    this.#drain ??= new ConnectionDrain({
      clock: this.#clock,
      servers: () => this.#tracked.values(),
      keepAlive: this.#keepAlive,
      webSockets: this.#webSockets,
    })
    const ended = this.#drain.begin(mode, deadline, hooks)
    this.#tellEmpty()
    return ended
  }

  /** Not at once: a connection that was handed over before the drain is taken in this turn. */
  #tellEmpty(): void {
    if (!this.#drain || !this.#isEmpty) return
    this.#clock.nextTurn(() => {
      if (this.#isEmpty) this.#drain?.emptied()
    })
  }

  get #isEmpty(): boolean {
    return this.connections === 0 && this.#expected === 0
  }

  #watchListen(): void {
    const registry = this
    const listen = NetServer.prototype.listen
    NetServer.prototype.listen = function (this: NetServer, ...args: unknown[]): NetServer {
      registry.#track(this)
      return Reflect.apply(listen, this, args) as NetServer
    } as typeof listen
  }

  #tellListens(): void {
    const servers = [...this.#tracked.values()].filter(({ server }) => server.listening)
    this.#reports.listens(servers.map(({ asked }) => asked ?? ALONE))
  }

  /** Called at every `listen`, also of a server that was closed and listens again; its listeners are added once. */
  #track(server: NetServer): void {
    const known = this.#known.get(server)
    const tracked = known ?? trackedServer(server)
    this.#tracked.set(server, tracked)
    if (known) return
    this.#known.set(server, tracked)
    server.on('listening', () => {
      // It had asked before the drain, or takes no notice of it.
      if (this.#drain) NetServer.prototype.close.call(server)
      this.#tellListens()
    })
    server.on('close', () => {
      this.#tracked.delete(server)
      this.#tellListens()
    })
    this.#watchConnections(tracked)
    const { sockets, streams } = tracked
    if (isTls(server)) watchStreams(server, streams as Set<Socket>)
    if (isHttp(server))
      this.#webSockets.watch(server, (socket) => {
        if (sockets instanceof HttpConnections) sockets.detached(socket)
      })
    server.on('session', (session: Http2Session) => {
      tracked.sessions.add(session)
      session.once('close', () => tracked.sessions.delete(session))
      this.#drain?.session(session)
    })
  }

  /** Two functions per server, none per connection. */
  #watchConnections({ server, sockets }: TrackedServer): void {
    const ended = (): void => {
      this.#reports.connectionClosed(server)
      this.#loadChanged()
      this.#tellEmpty()
    }
    if (sockets instanceof HttpConnections) {
      // Node counts them, and keeps them.
      const isTold = onConnectionClosed(server as HttpServer, ended)
      server.on('connection', (socket: Socket) => {
        sockets.came(socket)
        if (!isTold) socket.on('close', ended)
        this.#loadChanged()
      })
      return
    }
    this.#noteConnections(server, sockets, ended)
  }

  #noteConnections(server: NetServer, sockets: Set<Socket>, ended: () => void): void {
    const registry = this
    function closed(this: Socket): void {
      sockets.delete(this)
      registry.#noted -= 1
      ended()
    }
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      this.#noted += 1
      socket.on('close', closed)
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
        if (connections !== this.#reported) this.#reports.load(connections)
        this.#reported = connections
      },
      { idle: true },
    )
  }
}

function watchStreams(server: NetServer, streams: Set<Socket>): void {
  server.on('secureConnection', (socket: Socket) => {
    streams.add(socket)
    socket.once('close', () => streams.delete(socket))
  })
}

/** How a server is named that the cluster does not share: whoever replaces this worker need not have the same. */
const ALONE: ListenAddress = { address: 'a server of its own', port: 0 }
