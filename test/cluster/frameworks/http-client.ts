import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { Connection } from './app.js'

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  /** The port of the client's end. */
  readonly localPort: number
}

export interface ClientOptions {
  /** Speaks TLS, and believes this certificate alone. */
  readonly ca?: string
  /** Where the client's end is. */
  readonly localAddress?: string
  /** Of every request. */
  readonly headers?: Readonly<Record<string, string>>
  /** Behind the path of every request, with its question mark. */
  readonly query?: string
}

/** One keep-alive connection, for one request at a time. */
export class HttpClient implements Connection {
  readonly #port: number
  readonly #agent: Agent | TlsAgent
  readonly #options: ClientOptions

  constructor(port: number, options: ClientOptions = {}) {
    this.#port = port
    this.#options = options
    this.#agent = new (options.ca === undefined ? Agent : TlsAgent)({ keepAlive: true, maxSockets: 1 })
  }

  async send(
    method: string,
    path: string,
    body?: string | Buffer | Readable,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const { ca, localAddress, headers: own, query = '' } = this.#options
    const outgoing = (ca === undefined ? request : tlsRequest)({
      host: '127.0.0.1',
      port: this.#port,
      agent: this.#agent,
      ca,
      localAddress,
      method,
      path: path + query,
      headers: { ...own, ...headers },
    })
    if (body instanceof Readable) body.pipe(outgoing)
    else outgoing.end(body)
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    const { localPort } = outgoing.socket as Socket
    const chunks = await response.toArray()
    return {
      status: response.statusCode!,
      headers: response.headers,
      body: Buffer.concat(chunks as Buffer[]),
      localPort: localPort!,
    }
  }

  async pid(): Promise<number> {
    const { headers } = await this.send('GET', '/client')
    return Number(headers['x-pid'])
  }

  close(): void {
    this.#agent.destroy()
  }
}
