import type { Server as HttpServer } from 'node:http'
import type { Http2Server } from 'node:http2'
import type { Server as NetServer } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import type { Speaks } from '../protocol/frames.js'

/** What a server is, told by what it can do: to import `http` and `tls` for a comparison would cost every worker their start. */

export function isHttp(server: NetServer): server is HttpServer {
  return typeof (server as Partial<HttpServer>).closeIdleConnections === 'function'
}

export function isTls(server: NetServer): server is TlsServer {
  return typeof (server as Partial<TlsServer>).setSecureContext === 'function'
}

export function isHttp2(server: NetServer): server is Http2Server {
  return typeof (server as Partial<Http2Server>).updateSettings === 'function'
}

/** What clients say to it, as far as it decides whether a request can be read. */
export function languageOf(server: NetServer): Speaks {
  if (isTls(server)) return 'tls'
  if (isHttp2(server)) return 'http2'
  return isHttp(server) ? 'http' : 'bytes'
}
