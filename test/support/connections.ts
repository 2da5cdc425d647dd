import { once } from 'node:events'
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Readable } from 'node:stream'

/** Where to: a port of this machine, or a unix socket. */
export type Place = number | string

/** What fixtures/connections-app.ts says of a request. */
export interface Seen {
  readonly pid: number
  readonly url: string
  readonly size: number
  readonly sum: string
  readonly remoteAddress?: string
  readonly remotePort?: number
  readonly remoteFamily?: string
}

export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface AskOptions {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer | Readable
  readonly localAddress?: string
}

const at = (place: Place) =>
  typeof place === 'number' ? { port: place, host: '127.0.0.1' } : { path: place, socketPath: place }

/** One request over a connection of its own. Rejects with node's error when the connection ends before the answer has. */
export async function send(place: Place, { body, path = '/', ...options }: AskOptions = {}): Promise<Reply> {
  const outgoing = request({ ...at(place), ...options, path, agent: new Agent({ keepAlive: false }) })
  // Of an answer that came before all was written: it has been told by then.
  outgoing.on('error', () => {})
  if (body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body)) body.pipe(outgoing)
  else outgoing.end(body)
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  const chunks = (await response.toArray()) as Buffer[]
  return { status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks).toString() }
}

/** The same, of an app that answers with what it has seen. */
export async function ask(place: Place, options?: AskOptions): Promise<Seen> {
  const { status, body } = await send(place, options)
  if (status !== 200) throw new Error(`Expected an answer, got ${status}: ${body}`)
  return JSON.parse(body) as Seen
}

/** A bare connection: what came, and how it ended. */
export class Client {
  readonly socket: Socket
  readonly chunks: Buffer[] = []
  /** Resolves when it is closed: 'end' when the other side had said its last, else the code of the error. */
  readonly closed: Promise<string>

  constructor(place: Place) {
    this.socket = connect(at(place))
    let outcome = 'end'
    this.socket.on('data', (chunk) => this.chunks.push(chunk))
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      outcome = error.code ?? error.message
    })
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve(outcome)))
  }

  /** All that has come, one character per byte. */
  get received(): string {
    return Buffer.concat(this.chunks).toString('latin1')
  }

  /** Resolves when so much has come that it matches, or nothing more will. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.received) && !this.socket.closed)
      await new Promise((resolve) => this.socket.once('data', resolve).once('close', resolve))
    return this.received
  }
}

/** Writes, and gives all that comes back until the other side closes. */
export async function converse(place: Place, ...pieces: (string | Buffer)[]): Promise<string> {
  const client = new Client(place)
  for (const piece of pieces) {
    client.socket.write(piece)
    // A segment of its own.
    await new Promise((resolve) => setImmediate(resolve))
  }
  await client.closed
  return client.received
}
