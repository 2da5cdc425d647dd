import { channel } from 'node:diagnostics_channel'
import type { Server as HttpServer, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * The HTTP/1 responses under way, by connection, so that a drain can end each connection with its last one: pipelined
 * requests that have arrived are all answered, and the client is told `Connection: close` by the last answer.
 */
export class ResponseWatch {
  readonly #open = new Map<Socket, ServerResponse[]>()
  /** Those whose keep-alive we have taken back, and may give again when another request follows. */
  readonly #closing = new WeakSet<ServerResponse>()
  #mode: 'stop' | 'reload' | undefined

  constructor() {
    channel('http.server.request.start').subscribe((message) => {
      const { response, server, socket } = message as { response: ServerResponse; server: HttpServer; socket: Socket }
      this.#started(response, server, socket)
    })
  }

  drain(mode: 'stop' | 'reload'): void {
    this.#mode = mode
    for (const responses of this.#open.values()) this.#closeAfterLast(responses)
  }

  isBusy(socket: Socket): boolean {
    return this.#open.has(socket)
  }

  #started(response: ServerResponse, server: HttpServer, socket: Socket): void {
    const responses = this.#open.get(socket) ?? []
    this.#open.set(socket, responses)
    responses.push(response)
    if (this.#mode) this.#closeAfterLast(responses)
    response.once('close', () => {
      responses.splice(responses.indexOf(response), 1)
      if (responses.length === 0) this.#open.delete(socket)
      // Its head was out before the drain, and has promised to keep the connection, which is idle now.
      if (this.#mode === 'stop') server.closeIdleConnections()
    })
  }

  #closeAfterLast(responses: readonly ServerResponse[]): void {
    for (const response of responses) {
      if (response.headersSent) continue
      const isLast = response === responses.at(-1)
      if (isLast && response.shouldKeepAlive) {
        response.shouldKeepAlive = false
        this.#closing.add(response)
      } else if (!isLast && this.#closing.delete(response)) response.shouldKeepAlive = true
    }
  }
}
