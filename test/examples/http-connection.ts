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

/**
 * Longer than any answer here takes. Without it a client may wait for ever: node's round robin, which hands connections
 * on, loses one that is on its way to a worker that dies.
 */
const TIMEOUT_MS = 3_000

/**
 * One connection that stays open, and so stays with the worker that accepted it, for one request at a time. When it
 * breaks, the request rejects, and the next one opens a new connection.
 */
export class HttpConnection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  send(method: string, path: string, { headers, body }: HttpRequest = {}): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const options = { agent: this.#agent, method, headers, timeout: TIMEOUT_MS }
      const outgoing = request(new URL(path, this.#url), options, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text }))
      })
      outgoing.on('timeout', () => outgoing.destroy(new NoAnswer()))
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

class NoAnswer extends Error {
  readonly code = 'ETIMEDOUT'

  constructor() {
    super(`No answer within ${TIMEOUT_MS} ms`)
  }
}

/** Whether the connection failed, and not the test. */
export function isConnectionError(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException
  return ['ECONNRESET', 'EPIPE', 'ETIMEDOUT'].includes(code)
}
