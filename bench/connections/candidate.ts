import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { BalancePolicy, ConnectionStats } from '../../dist/index.js'
import type { Sample } from '../comparison.js'
import { onCores } from '../cores.js'
import { cpuSeconds } from '../processes.js'
import { checkedLoad, type LoadShape, load } from './load.js'

/** Node's cluster with its two ways of scheduling, ours with a policy, or what others make of it. */
export type Setup =
  | { readonly cluster: 'rr' | 'none' }
  | { readonly troupe: { readonly balance?: BalancePolicy } }
  | { readonly peer: 'sticky' | 'reusePort' | 'pm2' }

export type Shape = Omit<LoadShape, 'port' | 'seconds'>

export interface Measurement {
  readonly shape: Shape
  readonly seconds: number
  /** Answers before anything is measured. */
  readonly warmUp: number
  readonly profiles: string | undefined
}

const WORKERS = 2

/** How long each answer is compared in full before anything is measured, seconds. */
const CHECK = 0.5

/**
 * Answers until workers are warm, whatever time that takes on a busy machine. A new connection each, they cost node's round
 * robin 221 µs after 10 000 of them, 191 after 20 000, 188 after 30 000 and 187 after 50 000; a hand-off 256, 211, 193 and 190.
 */
export const WARM_UP = 30_000

/**
 * One measurement, by a primary and workers that live no longer: two runs of the same program differ by several percent for
 * as long as they live, by what is compiled when and what lies where in memory, so that a process is a sample too.
 */
export async function measure(name: string, setup: Setup, { shape, ...how }: Measurement): Promise<Sample> {
  const candidate = await Candidate.start(name, setup, how.profiles)
  try {
    const sample = await candidate.measure(shape, how.seconds, await candidate.warmUp(shape, how.warmUp))
    await candidate.stop()
    return sample
  } finally {
    candidate.kill()
  }
}

/** A primary and its workers, up from `start` to `stop`. */
class Candidate {
  readonly #name: string
  readonly #primary: ChildProcess
  readonly #workers: readonly number[]
  readonly #port: number

  private constructor(name: string, primary: ChildProcess, { workers, port }: { workers: number[]; port: number }) {
    this.#name = name
    this.#primary = primary
    this.#workers = workers
    this.#port = port
  }

  /** With `profiles`, each of its processes writes a CPU profile there when it ends. */
  static async start(name: string, setup: Setup, profiles?: string): Promise<Candidate> {
    const flags = profiles ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`] : []
    const [execPath, execArgv] = onCores('servers', process.execPath, flags)
    const primary = fork(
      fileURLToPath(new URL('primary.mjs', import.meta.url)),
      [JSON.stringify({ ...setup, workers: WORKERS })],
      { execPath, execArgv },
    )
    const died = once(primary, 'exit').then(() => Promise.reject(new Error(`${name} ended before it listened`)))
    let up: { workers: number[]; port?: number }
    // What PM2 says to whoever has started it comes before.
    do [up] = (await Promise.race([once(primary, 'message'), died])) as [typeof up]
    while (!up.port)
    died.catch(() => {})
    return new Candidate(name, primary, { ...up, port: up.port })
  }

  /** Gives the length of a right answer. */
  async warmUp(shape: Shape, enough: number): Promise<number> {
    const { answers, bytes } = await checkedLoad({ ...shape, port: this.#port, seconds: CHECK })
    const answerLength = bytes / answers
    for (let warm = 0; warm < enough; )
      warm += (await load({ ...shape, port: this.#port, seconds: 1 }, answerLength)).answers
    return answerLength
  }

  async measure(shape: Shape, seconds: number, answerLength: number): Promise<Sample> {
    const before = this.#cpu()
    const { answers, seconds: took } = await load({ ...shape, port: this.#port, seconds }, answerLength)
    const after = this.#cpu()
    const each = (from: number, to: number): number => ((to - from) * 1e6) / answers
    return {
      perSecond: answers / took,
      cpu: { primary: each(before.primary, after.primary), workers: each(before.workers, after.workers) },
    }
  }

  /** Throws when the primary gave up on a connection. */
  async stop(): Promise<void> {
    const stats = await this.#settled()
    const { turnedAway = 0, timedOut = 0, tooLarge = 0, malformed = 0, rerouted = 0 } = stats
    const lost = { turnedAway, timedOut, tooLarge, malformed, rerouted }
    const ended = once(this.#primary, 'exit')
    this.#primary.send('stop')
    await ended
    if (Object.values(lost).some((count) => count > 0))
      throw new Error(`Expected ${this.#name} to hand over every connection at once, got ${JSON.stringify(lost)}`)
  }

  /** A client that stops leaves connections behind, which are still on their way to a worker. */
  async #settled(): Promise<Partial<ConnectionStats>> {
    for (;;) {
      this.#primary.send('stats')
      const [stats] = (await once(this.#primary, 'message')) as [Partial<ConnectionStats>]
      const { waiting = 0, peeking = 0, offered = 0 } = stats
      if (waiting + peeking + offered === 0) return stats
    }
  }

  kill(): void {
    this.#primary.kill('SIGKILL')
  }

  #cpu(): { primary: number; workers: number } {
    const workers = this.#workers.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
    return { primary: cpuSeconds(this.#primary.pid as number), workers }
  }
}
