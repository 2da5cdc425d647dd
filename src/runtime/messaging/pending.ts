import type { Clock, Task, Timer } from '../clock.js'
import { Numbered } from '../numbered.js'

/** One request of this process, from when it is sent until it has an answer. */
export abstract class Request<Answer> implements Task {
  /** Of its process, never used again. */
  id = 0
  timer: Timer | undefined

  abstract settle(answer: Answer): void
  /** At its deadline: settles it with what is known then, at once or within that turn. */
  abstract due(): void
}

/**
 * The requests that wait for an answer, by the number under which they were sent. A number is never used again, so that a
 * late answer finds nothing. Whatever comes first (answer, deadline, abort, the end of the link) takes the entry out, and
 * only who took it out settles it: that is the whole of "exactly once".
 */
export class Pending<Answer> {
  readonly #requests = new Numbered<Request<Answer>>()
  readonly #clock: Clock
  #lastId = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#requests.size
  }

  has(id: number): boolean {
    return this.#requests.has(id)
  }

  /** A number that no other request of this process has, for one that is kept elsewhere. */
  nextId(): number {
    return ++this.#lastId
  }

  open(deadline: number, request: Request<Answer>): void {
    request.id = this.nextId()
    request.timer = this.#clock.at(deadline, request)
    this.#requests.set(request.id, request)
  }

  /** False when nobody waits for it any more: late, foreign or doubled. */
  settle(id: number, answer: Answer): boolean {
    const request = this.#requests.delete(id)
    if (!request) return false
    request.timer?.cancel()
    request.settle(answer)
    return true
  }

  settleAll(answer: Answer): void {
    for (const { id } of this.#requests.values()) this.settle(id, answer)
  }
}
