import type { Http2Session } from 'node:http2'
import { Server as NetServer } from 'node:net'
import type { Clock, Timer } from '../runtime/clock.js'
import { goAway } from './http2.js'
import { isIdle, isUpgraded, type KeepAliveEnd } from './responses.js'
import { isHttp, isHttp2 } from './server-kinds.js'
import { handshaking, type TrackedServer } from './tracked-server.js'
import { CLOSE_GRACE, type WebSockets } from './websockets.js'

export type DrainMode = 'stop' | 'reload'

export interface ConnectionDrainOptions {
  readonly clock: Clock
  /** Also those that begin to listen, or end, meanwhile. */
  readonly servers: () => Iterable<TrackedServer>
  readonly keepAlive: KeepAliveEnd
  readonly webSockets: WebSockets
}

/**
 * The end of a worker's connections. Nothing new is accepted; every request that has arrived is answered; each kind of
 * connection is told in its own way that it ends. In a reload idle ones stay until their own timeout, because closing one
 * resets a request that is just arriving on it, and WebSockets are closed one after the other, so that their clients do not
 * come back as a herd; in a stop both end at once. What is left at the deadline is cut, and counted.
 */
export class ConnectionDrain {
  readonly #options: ConnectionDrainOptions
  readonly #leavers = new WeakSet<Http2Session>()
  readonly #ended: Promise<number>
  #end!: (cut: number) => void
  #deadline = Number.POSITIVE_INFINITY
  #timer: Timer | undefined

  constructor(options: ConnectionDrainOptions) {
    this.#options = options
    this.#ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /**
   * Resolves when no connection is left, with how many were cut at the deadline. May be called again with another mode,
   * when a stop comes into a reload. In a stop, connections that no answer is due on end once the program's own hooks have
   * run, which close what they know of better (`hooks`).
   */
  begin(mode: DrainMode, deadline: number, hooks: Promise<unknown>): Promise<number> {
    const { clock, servers, keepAlive, webSockets } = this.#options
    keepAlive.begin()
    for (const { server, sessions } of servers()) {
      stopAccepting(server, mode)
      for (const session of sessions) this.session(session)
    }
    if (mode === 'reload') webSockets.close(windowEnd(clock.now(), deadline))
    else {
      this.#closeIdle()
      void hooks.then(() => {
        this.#closeQuiet()
        webSockets.close(clock.now())
      })
    }
    this.#cutAt(deadline)
    return this.#ended
  }

  /** A session that was there, or has come on a connection that was accepted last. */
  session(session: Http2Session): void {
    if (this.#leavers.has(session)) return
    this.#leavers.add(session)
    goAway(session, this.#options.clock)
  }

  /** No connection is open. */
  emptied(): void {
    this.#timer?.cancel()
    this.#end(0)
  }

  #closeIdle(): void {
    const { keepAlive, servers } = this.#options
    keepAlive.closeIdle()
    for (const { server } of servers()) if (isHttp(server)) server.closeIdleConnections()
  }

  /** Those without a request, and those that were upgraded to something that we cannot say goodbye in. */
  #closeQuiet(): void {
    const { servers, webSockets } = this.#options
    for (const tracked of servers()) {
      if (isHttp(tracked.server)) for (const socket of handshaking(tracked)) socket.destroy()
      for (const socket of tracked.streams)
        if (isIdle(socket) || (isUpgraded(socket) && !webSockets.has(socket))) socket.destroySoon()
    }
  }

  #cutAt(deadline: number): void {
    if (deadline >= this.#deadline) return
    this.#deadline = deadline
    const { clock, servers } = this.#options
    this.#timer?.cancel()
    this.#timer = clock.after(deadline - clock.now(), () => {
      let cut = 0
      for (const tracked of servers()) cut += cutConnections(tracked)
      this.#end(cut)
    })
  }
}

/** The last WebSocket is told early enough for its client to answer. */
function windowEnd(now: number, deadline: number): number {
  const left = deadline - now
  return now + left - Math.min(CLOSE_GRACE, left / 4)
}

/** Gives how many had something under way: nothing is lost with an idle one. */
function cutConnections({ sockets, streams }: TrackedServer): number {
  let cut = 0
  for (const socket of streams) {
    if (!isIdle(socket)) cut += 1
    socket.destroy()
  }
  for (const socket of sockets) socket.destroy()
  return cut
}

/** A server whose `listen` the primary is still working on is closed when it listens: node breaks when it is closed before. */
function stopAccepting(server: NetServer, mode: DrainMode): void {
  if (!server.listening) return
  // A program may have its own `close`; it may throw, or take its time. That of HTTP/2 closes all sessions, without notice.
  if (mode === 'stop' && !isHttp2(server)) {
    try {
      server.close()
    } catch {}
  }
  if (server.listening) NetServer.prototype.close.call(server)
}
