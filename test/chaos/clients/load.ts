import { setImmediate as turn } from 'node:timers/promises'
import { Ledger } from '../ledger.js'
import { Connection } from './connection.js'

export interface LoadOptions {
  readonly port: number
  readonly clients: number
  /** `fresh`: a connection per request. `kept`: one connection for as long as the server keeps it. */
  readonly kind: 'fresh' | 'kept'
  /** What is asked for. */
  readonly path?: () => string
  /** Header lines that each request has besides. */
  readonly headers?: (() => string) | undefined
  /** It ends by itself after so many requests. */
  readonly requests?: number
  /** Another load that this one must not run ahead of. */
  readonly beside?: Load
}

/** How far one load may be ahead of the one that it runs beside, in requests. */
const AHEAD = 500

/** Clients that ask one thing after another, each without a pause, until they are told to stop. */
export class Load {
  readonly ledger = new Ledger()
  readonly done: Promise<void>
  readonly #options: LoadOptions
  #stopped = false

  constructor(options: LoadOptions) {
    this.#options = options
    const client = options.kind === 'fresh' ? () => this.#fresh() : () => this.#kept()
    this.done = Promise.all(Array.from({ length: options.clients }, client)).then(() => {})
  }

  /** Resolves when every request that was begun has ended, be it by the patience of its client. */
  async stop(): Promise<Ledger> {
    this.#stopped = true
    await this.done
    return this.ledger
  }

  get isOver(): boolean {
    return this.#stopped || this.ledger.begun >= (this.#options.requests ?? Number.POSITIVE_INFINITY)
  }

  async #fresh(): Promise<void> {
    while (await this.#goesOn()) {
      const connection = new Connection(this.#options)
      const outcome = await this.#send(connection, 'Connection: close\r\n')
      if (outcome.kind !== 'answered') await turn()
    }
  }

  async #kept(): Promise<void> {
    let connection: Connection | undefined
    while (await this.#goesOn()) {
      if (!connection?.isOpen) connection = new Connection(this.#options)
      const outcome = await this.#send(connection, '')
      if (outcome.kind !== 'answered') await turn()
    }
    connection?.close()
  }

  #send(connection: Connection, header: string) {
    const { path, headers } = this.#options
    const request = `GET ${path?.() ?? '/'} HTTP/1.1\r\nHost: chaos\r\n${header}${headers?.() ?? ''}\r\n`
    return this.ledger.enter(connection.send(request))
  }

  async #goesOn(): Promise<boolean> {
    const { beside } = this.#options
    while (beside && !beside.isOver && !this.isOver && this.ledger.begun > beside.ledger.begun + AHEAD) await turn()
    return !this.isOver
  }
}

/** Requests that take from 0 up to so many ms in the worker, so that a fault finds them there. */
export const waiting =
  (most: number): (() => string) =>
  () =>
    `/wait/${Math.floor(Math.random() * most)}`
