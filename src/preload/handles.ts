import type { Server as NetServer } from 'node:net'

/** What is used of a connection's handle, as node passes it on. */
export interface ClientHandle {
  readonly fd?: number
  close(): void
  getpeername?(out: object): number
}

/** What a `net.Server` needs of its handle. Node sets `onconnection` on it when the server begins to listen. */
export interface ServerHandle {
  onconnection?: (this: ServerHandle, error: number, client: ClientHandle | undefined) => void
  listen(backlog: number): number
  close(closed?: () => void): void
  ref(): void
  unref(): void
  getsockname?(out: object): number
  /** Of a real one: accepts, or leaves what comes to other processes. */
  readStart?(): number
  readStop?(): number
}

/** What node keeps of a server and tells nobody: how many connections are open on it, without a turn's delay. */
export function openConnections(server: NetServer): number {
  return (server as NetServer & { _connections: number })._connections
}

/** The longest that `setInterval` waits. */
const LONG = 2 ** 31 - 1

/**
 * The handle of a server that accepts nothing itself: its connections are handed to it. Like a real one it keeps the process
 * alive while it is referenced.
 */
export function handedHandle(sockname: object | undefined): ServerHandle {
  let alive: NodeJS.Timeout | undefined
  const handle: ServerHandle = {
    listen: () => 0,
    ref() {
      alive ??= setInterval(() => {}, LONG)
    },
    unref() {
      clearInterval(alive)
      alive = undefined
    },
    close(closed) {
      handle.unref()
      if (closed) process.nextTick(closed)
    },
  }
  // A unix socket has no name to ask for.
  if (sockname)
    handle.getsockname = (out) => {
      Object.assign(out, sockname)
      return 0
    }
  handle.ref()
  return handle
}
