import { performance } from 'node:perf_hooks'

/**
 * Keeps a flood on one channel from holding up all else. libuv reads a pipe up to 32 times in a turn of the event loop while
 * there is more: two million bytes, which may be a million messages. All the channels of a process share one pace: what a
 * flood takes beyond its time in one turn waits for the next.
 */

/** What floods may take of one turn, ms. */
const TURN = 10

/** A smaller chunk is all there was: only who floods is watched, so that nobody else pays for it. */
const FULL_CHUNK = 65_536

export class ReadPace {
  /** When the first full chunk of this turn was read. */
  #begun: number | undefined
  #waiting: (() => void)[] = []

  /** Before the messages of a chunk are handled. */
  reading(bytes: number): void {
    if (bytes >= FULL_CHUNK) this.#begin()
  }

  /** This turn has no more time for floods. */
  get spent(): boolean {
    return this.#begun !== undefined && performance.now() - this.#begun > TURN
  }

  /** Runs in the next turn. */
  later(run: () => void): void {
    this.#begin()
    this.#waiting.push(run)
  }

  #begin(): void {
    if (this.#begun !== undefined) return
    this.#begun = performance.now()
    setImmediate(() => this.#nextTurn())
  }

  #nextTurn(): void {
    this.#begun = undefined
    const waiting = this.#waiting
    this.#waiting = []
    if (waiting.length > 0) this.#begin()
    for (const run of waiting) run()
  }
}
