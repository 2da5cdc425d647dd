import type { Clock, Timer } from '../clock.js'

/** One request of this process that has no answer yet. */
interface Entry<Answer> {
  readonly settle: (answer: Answer) => void
  readonly timer: Timer
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

  has(id: number): boolean {
    return this.#entries.has(id)
  }

  /** A number that no other request of this process has, for one that is kept elsewhere. */
  nextId(): number {
    return ++this.#lastId
  }

  /** `late` is called at the deadline, and settles it with what is known then: at once, or within that turn. */
  open(deadline: number, settle: (answer: Answer) => void, late: (id: number) => void): number {
    const id = this.nextId()
    const timer = this.#clock.after(deadline - this.#clock.now(), () => late(id))
    this.#entries.set(id, { settle, timer })
    return id
  }

  /** False when nobody waits for it any more: late, foreign or doubled. */
  settle(id: number, answer: Answer): boolean {
    const entry = this.#entries.get(id)
    this.#entries.delete(id)
    entry?.timer.cancel()
    entry?.settle(answer)
    return entry !== undefined
  }

  settleAll(answer: Answer): void {
    for (const id of [...this.#entries.keys()]) this.settle(id, answer)
  }
}
