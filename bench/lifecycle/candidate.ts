import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'

export interface Setup {
  readonly kind: 'bare fork' | 'cluster' | 'troupe'
  readonly workers: number
  /** The workers import the library and join. */
  readonly join?: boolean
}

/** A primary and its workers, in processes of their own. */
export class Candidate {
  readonly #primary: ChildProcess
  readonly #told: unknown[] = []
  readonly #waiting: ((message: never) => void)[] = []
  pids: readonly number[] = []
  port = 0

  private constructor(setup: Setup, profiles: string | undefined) {
    const flags = profiles ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`] : []
    const file = fileURLToPath(new URL('primary.mjs', import.meta.url))
    this.#primary = fork(file, [JSON.stringify(setup)], { execArgv: flags })
    this.#primary.on('message', (message) => {
      const next = this.#waiting.shift()
      if (next) next(message as never)
      else this.#told.push(message)
    })
  }

  static async start(setup: Setup, profiles?: string): Promise<Candidate> {
    const candidate = new Candidate(setup, profiles)
    const { port, pids } = await candidate.#next<{ port: number; pids: number[] }>()
    candidate.port = port
    candidate.pids = pids
    return candidate
  }

  /** SIGKILL for one worker; gives when. */
  async crash(): Promise<number> {
    this.#primary.send('crash')
    return (await this.#next<{ at: number }>()).at
  }

  /** Who has come in the place of the one that crashed, where the primary says so. */
  async replaced(): Promise<number> {
    return (await this.#next<{ serves: number }>()).serves
  }

  async reload(): Promise<{ readonly took: number; readonly pids: readonly number[] }> {
    this.#primary.send('reload')
    return await this.#next()
  }

  async stop(): Promise<void> {
    const ended = once(this.#primary, 'exit')
    this.#primary.send('stop')
    await ended
  }

  kill(): void {
    this.#primary.kill('SIGKILL')
  }

  async #next<Message>(): Promise<Message> {
    if (this.#told.length > 0) return this.#told.shift() as Message
    const ended = once(this.#primary, 'exit').then(() => Promise.reject(new Error('the primary ended early')))
    ended.catch(() => {})
    return await Promise.race([new Promise<Message>((resolve) => this.#waiting.push(resolve)), ended])
  }
}

/** Asks on a connection of its own who serves it: a pid. */
export async function whoServes(port: number): Promise<number> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1')
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  let text = ''
  for await (const chunk of socket) text += chunk
  const pid = /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\n(\d+)$/.exec(text)?.[1]
  if (!pid) throw new Error(`Expected the pid of a worker, got ${JSON.stringify(text)}`)
  return Number(pid)
}

/** Milliseconds of the machine's monotonic clock, as the primary tells them. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
