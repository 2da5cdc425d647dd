import type { Clock } from './clock.js'
import type { Logger } from './logger.js'

/** One line per kind of loss and interval, ms: a storm of dropped messages must not become a storm of log lines. */
const INTERVAL = 1_000

/** Says what was dropped where nobody waits for an answer: the first at once, the rest of an interval as a number. */
export class DropLog {
  readonly #logger: Logger
  readonly #clock: Clock
  /** By kind: dropped since the last line. */
  readonly #unsaid = new Map<string, { count: number; last: string }>()
  /** All of them, for `stats()`. */
  total = 0

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger
    this.#clock = clock
  }

  add(kind: string, message: string): void {
    this.total++
    const unsaid = this.#unsaid.get(kind)
    if (unsaid) {
      unsaid.count++
      unsaid.last = message
      return
    }
    this.#logger.warn(message)
    this.#unsaid.set(kind, { count: 0, last: message })
    this.#clock.after(INTERVAL, () => this.#say(kind), { idle: true })
  }

  #say(kind: string): void {
    const unsaid = this.#unsaid.get(kind)
    this.#unsaid.delete(kind)
    if (unsaid && unsaid.count > 0) this.#logger.warn(`${unsaid.last} (and ${unsaid.count - 1} more like it)`)
  }
}
