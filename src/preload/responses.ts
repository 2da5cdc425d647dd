import { channel } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/*
 * What node itself knows of an HTTP/1 connection is all that a drain needs, so that requests cost nothing before it:
 * nothing is noted when one starts, and nothing when it ends.
 */
interface HttpConnection extends Socket {
  /** The response that is being written. Those of pipelined requests wait behind it. */
  readonly _httpMessage?: ServerResponse | null
  /** `incoming`: the newest request, until it has been answered. `null` when the connection has been upgraded. */
  readonly parser?: { readonly incoming: IncomingMessage | null } | null
}

/** A connection for HTTP/1 with no request under way: idle, or before its first one. */
export function isIdle(socket: Socket): boolean {
  const { parser, _httpMessage } = socket as HttpConnection
  return Boolean(parser) && !_httpMessage
}

/** It began as HTTP/1, and speaks something else now. */
export function isUpgraded(socket: Socket): boolean {
  return (socket as HttpConnection).parser === null
}

/** The client has sent no request after this one, as far as has been read. */
function isLast(socket: HttpConnection | undefined, request: IncomingMessage): boolean {
  return socket?.parser?.incoming === request
}

/**
 * Ends connections with an answer: it says `Connection: close`, unless the answer to a pipelined request follows it. That is
 * decided when its head is made, since only then is it known which is the last. Responses whose head was made before have
 * promised to keep their connection, so the next one on it tells; or `closeIdle`.
 */
export class KeepAliveEnd {
  #all = false
  readonly #some = new WeakSet<Socket>()
  #isInstalled = false
  #closesIdle = false

  /** Ends every connection. */
  begin(): void {
    this.#all = true
    this.#install()
  }

  /** Ends the connection of this response. */
  closeAfterLast({ req: { socket } }: ServerResponse): void {
    this.#some.add(socket)
    this.#install()
  }

  /** Closes connections that were promised to be kept, once the response under way is out. */
  closeIdle(): void {
    if (this.#closesIdle) return
    this.#closesIdle = true
    channel('http.server.response.finish').subscribe((message) => {
      const { socket } = message as { socket: Socket }
      // Now the response still counts as under way.
      setImmediate(() => {
        if (isIdle(socket)) socket.destroySoon()
      })
    })
  }

  /**
   * All heads are made by `_storeHeader`, also where a middleware has replaced `writeHead`. It is replaced when the first
   * connection is to end: until then no response pays for it.
   */
  #install(): void {
    if (this.#isInstalled) return
    this.#isInstalled = true
    const http = process.getBuiltinModule('node:http')
    const responses = http.ServerResponse.prototype as unknown as HeadMaker
    const makeHead = responses._storeHeader
    const ends = ({ socket }: IncomingMessage): boolean => this.#all || this.#some.has(socket)
    responses._storeHeader = function (this: HeadMaker, firstLine, headers) {
      const { req } = this
      // Tests of programs make responses to requests that they have made up.
      const isEnd = req !== undefined && ends(req) && isLast(req.socket, req)
      if (isEnd) this.shouldKeepAlive = false
      makeHead.call(this, firstLine, headers)
      if (isEnd && !this._last) denyKeepAlive(this)
    }
  }
}

/** The parts of node's `OutgoingMessage` that make a head; the same from Node 20 to 26. */
interface HeadMaker extends ServerResponse {
  _storeHeader(firstLine: string, headers: unknown): void
  /** The head as it will be sent. */
  _header: string
  /** Node closes the connection after this one. */
  _last: boolean
}

/** The program has set the header itself, as proxies do that pass on what they were told. */
function denyKeepAlive(response: HeadMaker): void {
  const head = response._header.replace(/^connection: *keep-alive *\r$/im, 'Connection: close\r')
  if (head === response._header) return
  response._header = head
  response._last = true
}
