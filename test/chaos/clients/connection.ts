import { connect, type Socket } from 'node:net'
import type { Answer, Failure, Outcome } from '../ledger.js'

export interface ConnectionOptions {
  readonly port: number
  /** How long a client waits without hearing anything before it counts itself as hung, ms. */
  readonly patience?: number
}

/** Longer than any deadline of the runtime that a run sets, so that who is hung is hung for good. */
const PATIENCE = 20_000

/** Bodies up to here are kept; of longer ones only the length counts. */
const KEPT_BODY = 1_024

/** An answer, and how much of its body has not come yet. */
type Reading = { -readonly [Part in keyof Omit<Answer, 'kind'>]: Answer[Part] } & { missing: number }

/**
 * One connection that speaks HTTP/1.1, byte by byte as a run wants it. Every answer that is expected on it ends: answered,
 * failed with a reason, or hung.
 */
export class Connection {
  readonly #socket: Socket
  readonly #opened = performance.now()
  /** Who waits for an answer, in the order of the answers. */
  readonly #expected: ((outcome: Outcome) => void)[] = []
  #end: Pick<Failure, 'kind' | 'why'> | undefined
  #localPort: number | undefined
  #head = ''
  /** The answer whose body is being read. */
  #answer: Reading | undefined

  constructor({ port, patience = PATIENCE }: ConnectionOptions) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('connect', () => {
      this.#localPort = this.#socket.localPort
    })
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk))
    this.#socket.on('error', ({ code, message }: NodeJS.ErrnoException) =>
      this.#over({ kind: 'failed', why: code ?? message }),
    )
    this.#socket.on('end', () => {
      this.#over({ kind: 'failed', why: 'ended without an answer' })
      // The server has ended it in order. No port is to stay in TIME_WAIT, of which a run would need too many.
      this.#socket.resetAndDestroy()
    })
    this.#socket.setTimeout(patience, () => {
      if (this.#expected.length === 0) return
      this.#over({ kind: 'hung', why: `no answer for ${patience} ms` })
      this.#socket.destroy()
    })
  }

  /** Can it carry another request? */
  get isOpen(): boolean {
    return this.#end === undefined
  }

  /** The client's end. */
  get localPort(): number | undefined {
    return this.#localPort
  }

  write(bytes: string | Buffer): Promise<void> {
    return new Promise((resolve) => this.#socket.write(bytes, () => resolve()))
  }

  /** The next answer, in the order of these calls. */
  expect(): Promise<Outcome> {
    return new Promise((resolve) => {
      if (this.#end) resolve(this.#failure(this.#end))
      else this.#expected.push(resolve)
    })
  }

  send(request: string | Buffer): Promise<Outcome> {
    const answer = this.expect()
    this.#socket.write(request)
    return answer
  }

  close(): void {
    this.#over({ kind: 'failed', why: 'closed by the client' })
    this.#socket.destroy()
  }

  /** Reads no faster than this allows, so that the server has to wait. */
  throttle(bytesPerSecond: number): void {
    const socket = this.#socket
    const begun = performance.now()
    let read = 0
    socket.on('data', (chunk: Buffer) => {
      read += chunk.length
      const ahead = (read / bytesPerSecond) * 1_000 - (performance.now() - begun)
      if (ahead < 10) return
      socket.pause()
      setTimeout(() => socket.resume(), ahead)
    })
  }

  #read(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (!this.#answer) {
        const text = this.#head + chunk.toString('latin1', at, Math.min(chunk.length, at + 4_096))
        const end = text.indexOf('\r\n\r\n')
        if (end === -1) {
          this.#head = text
          return
        }
        at += end + 4 - this.#head.length
        this.#head = ''
        this.#answer = readHead(text.slice(0, end))
      }
      const { missing, body } = this.#answer
      const size = Math.min(missing, chunk.length - at)
      if (body.length < KEPT_BODY) this.#answer.body += chunk.toString('latin1', at, at + Math.min(size, KEPT_BODY))
      this.#answer.missing -= size
      at += size
      if (this.#answer.missing === 0) this.#answered(this.#answer)
    }
  }

  #answered({ missing: _, ...answer }: Reading): void {
    const { closes } = answer
    this.#answer = undefined
    if (closes) this.#end ??= { kind: 'failed', why: 'closed by the server' }
    this.#expected.shift()?.({ kind: 'answered', ...answer })
    if (this.#end) this.#over(this.#end)
  }

  #over(end: Pick<Failure, 'kind' | 'why'>): void {
    this.#end ??= end
    for (const settle of this.#expected.splice(0)) settle(this.#failure(this.#end))
  }

  #failure(end: Pick<Failure, 'kind' | 'why'>): Failure {
    return { ...end, port: this.#localPort, opened: this.#opened, ended: performance.now() }
  }
}

function readHead(head: string): Reading {
  const field = (name: string): string | undefined => new RegExp(`\r\n${name}: *([^\r]*)`, 'i').exec(head)?.[1]
  return {
    status: Number(head.slice(9, 12)),
    pid: Number(field('x-pid') ?? 0),
    closes: field('connection')?.toLowerCase() === 'close',
    cookie: field('set-cookie'),
    missing: Number(field('content-length') ?? 0),
    body: '',
  }
}
