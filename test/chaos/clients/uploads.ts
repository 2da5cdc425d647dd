import { createHash } from 'node:crypto'
import { setTimeout as after } from 'node:timers/promises'
import { Ledger, type Outcome } from '../ledger.js'
import { Connection } from './connection.js'

export interface UploadOptions {
  readonly port: number
  readonly clients: number
  /** One upload: so many pieces of so many bytes, a pause between two, ms. */
  readonly pieces: number
  readonly size: number
  readonly pause: number
}

/** Clients that send a body slowly, one after another. What is answered must be the digest of what was sent. */
export class Uploads {
  readonly ledger = new Ledger()
  readonly #options: UploadOptions
  readonly #done: Promise<unknown>
  #stopped = false

  constructor(options: UploadOptions) {
    this.#options = options
    this.#done = Promise.all(Array.from({ length: options.clients }, () => this.#client()))
  }

  async stop(): Promise<Ledger> {
    this.#stopped = true
    await this.#done
    return this.ledger
  }

  async #client(): Promise<void> {
    while (!this.#stopped) await this.ledger.enter(upload(this.#options))
  }
}

/** Resolves with a failure too when the answer is not the digest of what was sent. */
export async function upload(
  { port, pieces, size, pause }: Omit<UploadOptions, 'clients'>,
  headers = '',
): Promise<Outcome> {
  const connection = new Connection({ port })
  const opened = performance.now()
  const answer = connection.expect()
  const hash = createHash('sha1')
  const length = pieces * size
  void connection.write(
    `POST /upload HTTP/1.1\r\nHost: chaos\r\nConnection: close\r\n${headers}Content-Length: ${length}\r\n\r\n`,
  )
  for (let piece = 0; piece < pieces && connection.isOpen; piece += 1) {
    const bytes = Buffer.alloc(size, piece % 251)
    hash.update(bytes)
    const written = connection.write(bytes)
    // A connection that breaks writes no more, and its answer says so.
    if (pause > 0) await after(pause)
    else await Promise.race([written, answer])
  }
  const outcome = await answer
  if (outcome.kind !== 'answered' || outcome.status !== 200 || outcome.body === hash.digest('hex')) return outcome
  const why = 'the body arrived changed'
  return { kind: 'failed', why, port: connection.localPort, opened, ended: performance.now() }
}
