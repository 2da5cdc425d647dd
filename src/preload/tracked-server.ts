import type { Http2Session } from 'node:http2'
import type { Server as NetServer, Socket } from 'node:net'
import type { ListenAddress } from '../protocol/frames.js'
import { HttpConnections } from './http-connections.js'
import { isHttp, isTls } from './server-kinds.js'

/** One server of this process, and what is open on it. */
export interface TrackedServer {
  readonly server: NetServer
  /** As they were accepted. */
  readonly sockets: Set<Socket> | HttpConnections
  /** What a TLS server made of those, for responses are written to these; of any other server, the same ones. */
  readonly streams: Set<Socket> | HttpConnections
  readonly sessions: Set<Http2Session>
  /** What it asked the cluster for; `undefined` for one that listens by itself (`exclusive`). */
  asked: ListenAddress | undefined
}

export function trackedServer(server: NetServer): TrackedServer {
  const sockets = isHttp(server) && !isTls(server) ? new HttpConnections(server) : new Set<Socket>()
  const streams = isTls(server) ? new Set<Socket>() : sockets
  return { server, sockets, streams, sessions: new Set(), asked: undefined }
}

/** The connections of a TLS server that have not finished their handshake. Others have none. */
export function* handshaking({ sockets, streams }: TrackedServer): Iterable<Socket> {
  if (streams === sockets) return
  const secured = new Set([...streams].map((stream) => (stream as Socket & { readonly _parent?: unknown })._parent))
  for (const socket of sockets) if (!secured.has(socket)) yield socket
}
