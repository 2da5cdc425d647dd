import { readFileSync, statSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'
import { type Cluster, signal } from './cluster.js'
import type { Failure } from './ledger.js'
import { clientsHeldBy, hasStopped } from './programs/sockets.mjs'

/** The end of a worker, and the connections that ended with it. */
interface Death {
  /** It lived until then at least. */
  readonly from: number
  /** What it held later than that does not matter: it had stopped. */
  readonly until: number
  /** The clients' ports of the connections that it held in between. */
  readonly held: ReadonlySet<number>
}

/**
 * Ends workers, and remembers which connections each of them held at that moment. A request that failed was inside a dead
 * worker exactly when its connection is among those.
 */
export class Killer {
  readonly #deaths: (() => Death | undefined)[] = []
  readonly #cluster: Cluster

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** How many it has ended. */
  get count(): number {
    return this.#deaths.length
  }

  /**
   * SIGKILL, with the kernel as witness: the worker is stopped at a moment of chance, its sockets are looked up, and it
   * dies where it stopped, without having run on.
   */
  kill(pid: number): void {
    this.freeze(pid)
    signal(pid, 'SIGKILL')
  }

  /** SIGSTOP. What it holds now is all that it will have taken when somebody kills it. */
  freeze(pid: number): void {
    const from = performance.now()
    signal(pid, 'SIGSTOP')
    while (!hasStopped(pid));
    const held = clientsHeldBy(pid, this.#cluster.port)
    const until = performance.now()
    this.#deaths.push(() => ({ from, until, held }))
  }

  /** `process.exit()` inside the worker, which writes down what it holds. */
  exit(pid: number): void {
    const from = performance.now()
    const file = `${this.#cluster.folder}/${pid}.held`
    signal(pid, 'SIGUSR2')
    this.#deaths.push(() => {
      try {
        const held = new Set(readFileSync(file, 'utf8').split('\n').map(Number))
        return { from, until: statSync(file).mtimeMs - performance.timeOrigin, held }
      } catch {
        return undefined // It had ended already.
      }
    })
  }

  /** Failures that no death explains. A connection is told by its port and its time, since ports are used again. */
  unexplained(failures: readonly Failure[]): Failure[] {
    const deaths = this.#deaths.flatMap((death) => death() ?? [])
    return failures.filter(
      ({ port, opened, ended }) =>
        port === undefined ||
        !deaths.some(({ from, until, held }) => held.has(port) && opened <= until && ended >= from),
    )
  }
}

/** One of these, by chance. */
export function anyOf<T>(choices: readonly T[]): T {
  return choices[Math.floor(Math.random() * choices.length)] as T
}

/** Waits from `least` up to `most` ms. */
export async function aWhile(least: number, most: number): Promise<void> {
  await after(least + Math.random() * (most - least))
}
