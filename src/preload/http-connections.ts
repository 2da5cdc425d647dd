import type { Server as HttpServer } from 'node:http'
import type { Socket } from 'node:net'

/*
 * What node itself keeps of an HTTP/1 server's connections, so that none has to be noted when it comes and crossed out when
 * it goes: on a port of short connections that took a tenth of a worker's time. The same from Node 20 to 26.
 */

interface ConnectionsList {
  all(): readonly { readonly socket?: Socket | null }[]
}

/** Node's own list, behind `closeAllConnections`. Undefined before the server listens, or where node keeps none. */
function listOf(server: HttpServer): ConnectionsList | undefined {
  const key = Object.getOwnPropertySymbols(server).find(({ description }) => description === 'http.server.connections')
  const list = key && ((server as unknown as Record<symbol, unknown>)[key] as ConnectionsList | undefined)
  return typeof list?.all === 'function' ? list : undefined
}

/** The connections of one server, found when they are asked for. */
export class HttpConnections implements Iterable<Socket> {
  readonly #server: HttpServer
  /** Those that node has let go of: they speak something else now. */
  readonly #detached = new Set<Socket>()
  #isKept: boolean | undefined

  constructor(server: HttpServer) {
    this.#server = server
  }

  /** One has come. Where node keeps no list it is noted here. */
  came(socket: Socket): void {
    this.#isKept ??= listOf(this.#server) !== undefined
    if (!this.#isKept) this.detached(socket)
  }

  /** It was upgraded, or is a tunnel. */
  detached(socket: Socket): void {
    this.#detached.add(socket)
    socket.once('close', () => this.#detached.delete(socket))
  }

  *[Symbol.iterator](): Iterator<Socket> {
    const sockets = new Set(this.#detached)
    for (const { socket } of listOf(this.#server)?.all() ?? []) if (socket) sockets.add(socket)
    yield* sockets
  }
}

/** Calls back when a connection of the server has closed and is counted no more. Node asks then whether that was the last one. */
export function onConnectionClosed(server: HttpServer, closed: () => void): boolean {
  const asking = server as HttpServer & { _emitCloseIfDrained?: () => void }
  const ask = asking._emitCloseIfDrained
  if (typeof ask !== 'function') return false
  const value = function _emitCloseIfDrained(this: typeof asking): void {
    ask.call(this)
    closed()
  }
  Object.defineProperty(asking, '_emitCloseIfDrained', { value, configurable: true, writable: true })
  return true
}
