import { channel } from 'node:diagnostics_channel'
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'

/** Looks at a request whose head has arrived, before the program does. */
export type RequestHook = (request: IncomingMessage, response: ServerResponse, server: HttpServer) => void

/** What node publishes before it emits `request`. */
interface Started {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly server: HttpServer
}

/** Calls a hook for every HTTP/1 request of this process. Without a hook node does not even make the message. */
export class RequestWatch {
  #hook: RequestHook | undefined
  readonly #started = (message: unknown): void => {
    const { request, response, server } = message as Started
    this.#hook?.(request, response, server)
  }

  get hook(): RequestHook | undefined {
    return this.#hook
  }

  set hook(hook: RequestHook | undefined) {
    const started = channel('http.server.request.start')
    started.unsubscribe(this.#started)
    if (hook) started.subscribe(this.#started)
    this.#hook = hook
  }
}
