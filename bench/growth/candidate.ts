import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { cpuMilliseconds, privateBytes } from '../processes.js'

export interface Setup {
  readonly kind: 'troupe' | 'cluster'
  readonly workers: number
}

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** A primary with its workers, and the clients that hold its connections. */
export class Candidate {
  readonly #primary: ChildProcess
  readonly #clients: ChildProcess[] = []
  readonly #pids: readonly number[]
  readonly #port: number
  #lost = 0

  private constructor(primary: ChildProcess, { port, pids }: { port: number; pids: number[] }) {
    this.#primary = primary
    this.#pids = pids
    this.#port = port
  }

  static async start(setup: Setup): Promise<Candidate> {
    const primary = fork(file('primary.mjs'), [JSON.stringify(setup)], { execArgv: ['--expose-gc'] })
    return new Candidate(primary, (await next(primary)) as { port: number; pids: number[] })
  }

  /** CPU time of all its processes for one operation, microseconds. */
  async cpuEach(work: 'calls' | 'publishes', ...values: number[]): Promise<number> {
    const before = this.#cpu()
    const { done } = await this.do(work, ...values)
    if (done === 0) throw new Error(`Expected some ${work} to be done`)
    return ((this.#cpu() - before) * 1e3) / done
  }

  async do(work: 'calls' | 'publishes' | 'subscribe' | 'collect', ...values: number[]): Promise<{ done: number }> {
    this.#primary.send([work, ...values])
    return (await next(this.#primary)) as { done: number }
  }

  /** Private memory of all its processes after a collection, bytes. */
  async memory(): Promise<number> {
    await this.do('collect')
    return this.#pids.reduce((sum, pid) => sum + privateBytes(pid), privateBytes(this.#primary.pid as number))
  }

  /** Opens idle WebSockets, from a client of their own: it has half of the descriptors there are. */
  async open(count: number): Promise<void> {
    const client = fork(file('websockets.mjs'), [String(this.#port)], { execArgv: [] })
    this.#clients.push(client)
    client.on('message', ({ lost = 0 }: { lost?: number }) => {
      this.#lost += lost
    })
    client.send(count)
    for (;;) if (((await next(client)) as { opened?: number }).opened === count) return
  }

  async stop(): Promise<void> {
    if (this.#lost > 0) throw new Error(`Expected every connection to be held, ${this.#lost} were lost`)
    for (const client of this.#clients.splice(0)) client.kill('SIGKILL')
    const ended = once(this.#primary, 'exit')
    this.#primary.send(['stop'])
    await ended
  }

  kill(): void {
    for (const client of this.#clients) client.kill('SIGKILL')
    this.#primary.kill('SIGKILL')
  }

  #cpu(): number {
    return [this.#primary.pid as number, ...this.#pids].reduce((sum, pid) => sum + cpuMilliseconds(pid), 0)
  }
}

async function next(child: ChildProcess): Promise<unknown> {
  return await new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error('a process of a candidate ended early'))
    child.once('exit', ended)
    child.once('message', (message) => {
      child.off('exit', ended)
      resolve(message)
    })
  })
}
