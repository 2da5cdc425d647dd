import { Agent, request } from 'node:http'

export interface HttpAnswer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: string
}

export interface HttpRequest {
  readonly headers?: Record<string, string>
  readonly body?: string | Buffer
}

/** Longer than any answer here takes, so that a test whose connection hangs says which. Nothing may hang. */
const TIMEOUT_MS = 20_000

/**
 * One connection that stays open, and so stays with the worker that accepted it, for one request at a time. When it
 * breaks, the request rejects, and the next one opens a new connection.
 */
export class HttpConnection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #url: string
  readonly #localAddress: string | undefined

  constructor(url: string, { localAddress }: { localAddress?: string } = {}) {
    this.#url = url
    this.#localAddress = localAddress
  }

  send(method: string, path: string, { headers, body }: HttpRequest = {}): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const options = { agent: this.#agent, localAddress: this.#localAddress, method, headers, timeout: TIMEOUT_MS }
      const outgoing = request(new URL(path, this.#url), options, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text }))
      })
      outgoing.on('timeout', () => outgoing.destroy(new Error(`No answer within ${TIMEOUT_MS} ms`)))
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** Whether the connection broke, as that to a worker does which is killed. */
export function isConnectionError(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException
  return ['ECONNRESET', 'EPIPE'].includes(code)
}
