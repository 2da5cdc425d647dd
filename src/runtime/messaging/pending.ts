import type { Clock, Timer } from '../clock.js'

/** One request of this process that has no answer yet. */
interface Entry<Answer> {
  readonly settle: (answer: Answer) => void
  readonly timer: Timer
  /** When it began to wait in the primary for a worker that is starting, while it does. */
  heldSince: number | undefined
}

/** What is known of a request when its deadline passes. */
export interface AtDeadline {
  readonly heldSince: number | undefined
}

/**
 * The requests that wait for an answer, by the number under which they were sent. A number is never used again, so that a
 * late answer finds nothing. Whatever comes first (answer, deadline, abort, the end of the link) takes the entry out, and
 * only who took it out settles it: that is the whole of "exactly once".
 */
export class Pending<Answer> {
  readonly #entries = new Map<number, Entry<Answer>>()
  readonly #clock: Clock
  #lastId = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#entries.size
  }

  open(deadline: number, settle: (answer: Answer) => void, atDeadline: (known: AtDeadline) => Answer): number {
    const id = ++this.#lastId
    const timer = this.#clock.after(deadline - this.#clock.now(), () => {
      const entry = this.#take(id)
      entry?.settle(atDeadline(entry))
    })
    this.#entries.set(id, { settle, timer, heldSince: undefined })
    return id
  }

  /** False when nobody waits for it any more: late, foreign or doubled. */
  settle(id: number, answer: Answer): boolean {
    const entry = this.#take(id)
    entry?.settle(answer)
    return entry !== undefined
  }

  hold(id: number, held: boolean): void {
    const entry = this.#entries.get(id)
    if (entry) entry.heldSince = held ? this.#clock.now() : undefined
  }

  settleAll(answer: Answer): void {
    for (const id of [...this.#entries.keys()]) this.settle(id, answer)
  }

  #take(id: number): Entry<Answer> | undefined {
    const entry = this.#entries.get(id)
    this.#entries.delete(id)
    entry?.timer.cancel()
    return entry
  }
}
