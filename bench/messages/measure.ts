import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Sample } from '../comparison.js'
import { cpuSeconds, descendants } from '../processes.js'
import type { Job } from './job.mjs'
import type { Driven, Load } from './load.mjs'

export interface Measurement {
  readonly job: Job
  /** Calls before the sample, so that V8 has compiled what is hot. */
  readonly warmUp: number
  /** Ends the warm-up of a slow candidate sooner. */
  readonly warmUpSeconds: number
  readonly seconds: number
  /** What one call stands for: a burst is many messages. */
  readonly each: number
  /** Each process writes a CPU profile there when it ends. */
  readonly profiles: string | undefined
}

/** Of the longest warm-up of the slowest candidate, and then some. In ms. */
const LIMIT = 90_000

/**
 * One measurement, by processes that live no longer: two runs of one program differ by several percent for as long as they
 * live, so that a process is a sample too. Throws when an answer was wrong, or missing.
 *
 * Nobody is pinned to a core. With one caller and one who is called, and two cores or more, the kernel gives each its own;
 * whoever has more processes than that (a broker between, a primary that passes on) pays for them, as a service would.
 */
export async function measure(name: string, measurement: Measurement): Promise<Sample> {
  const { job, warmUp, warmUpSeconds, seconds, each, profiles } = measurement
  const host = new Host(name, job, profiles)
  try {
    await host.next()
    const warmed = await host.drive({ inFlight: job.inFlight, first: 0, operations: warmUp, seconds: warmUpSeconds })
    const before = host.cpu()
    const {
      operations,
      seconds: took,
      latency,
    } = await host.drive({ inFlight: job.inFlight, first: warmed.operations, seconds })
    const after = host.cpu()
    const cpuOf = (from: number, to: number): number => ((to - from) * 1e6) / (operations * each)
    await host.stop()
    return {
      perSecond: (operations * each) / took,
      cpu: { primary: cpuOf(before.primary, after.primary), workers: cpuOf(before.workers, after.workers) },
      ...(latency && each === 1 && { latency }),
    }
  } finally {
    host.kill()
  }
}

/** A candidate's primary, and behind it all else that it has started. */
class Host {
  readonly #name: string
  readonly #process: ChildProcess
  /** Rejects when it ends, or takes too long; until then nothing else is waited for without it. */
  readonly #ended: Promise<never>
  readonly #deadline: NodeJS.Timeout

  constructor(name: string, job: Job, profiles: string | undefined) {
    this.#name = name
    const execArgv = profiles ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`] : []
    this.#process = fork(fileURLToPath(new URL('host.mjs', import.meta.url)), [JSON.stringify(job)], { execArgv })
    this.#ended = once(this.#process, 'exit').then(([code, signal]) => {
      throw new Error(`${name} ended with ${code ?? signal} in the middle of a measurement; see above`)
    })
    this.#ended.catch(() => {})
    this.#deadline = setTimeout(() => this.kill(), LIMIT)
  }

  /** What it says next. */
  async next(): Promise<unknown> {
    const [message] = await Promise.race([once(this.#process, 'message'), this.#ended])
    return message
  }

  async drive(load: Load): Promise<Driven> {
    this.#process.send(load)
    return (await this.next()) as Driven
  }

  cpu(): { primary: number; workers: number } {
    const pid = this.#pid
    return { primary: cpuSeconds(pid), workers: descendants(pid).reduce((sum, child) => sum + cpuSeconds(child), 0) }
  }

  async stop(): Promise<void> {
    this.#process.send('stop')
    const isClean = await this.#ended.catch(() => this.#process.exitCode === 0)
    if (!isClean) throw new Error(`Expected ${this.#name} to end cleanly, got ${this.#process.exitCode}`)
  }

  /** It, and whatever it has left behind. */
  kill(): void {
    clearTimeout(this.#deadline)
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    for (const child of [this.#pid, ...descendants(this.#pid)])
      try {
        process.kill(child, 'SIGKILL')
      } catch {
        // Its parent's end was its own.
      }
  }

  get #pid(): number {
    return this.#process.pid as number
  }
}
