import type { Clock, Timer } from '../clock.js'

/** ms. */
const INTERVAL = 250

/** Looks at deadlines once in a while, as long as there are any: for many that hardly ever pass, where a timer each is too much. */
export class Sweep {
  readonly #clock: Clock
  readonly #look: (now: number) => boolean
  #timer: Timer | undefined

  /** `look` says whether to go on. */
  constructor(clock: Clock, look: (now: number) => boolean) {
    this.#clock = clock
    this.#look = look
  }

  start(): void {
    if (this.#timer) return
    const due = this.#clock.now() + INTERVAL
    this.#timer = this.#clock.after(INTERVAL, () => this.#sweep(due), { idle: true })
  }

  #sweep(due: number): void {
    this.#timer = undefined
    const now = this.#clock.now()
    // This process stood still: what it was told meanwhile is still to be read, and nobody is to blame.
    const stoodStill = now - due >= INTERVAL
    if (stoodStill || this.#look(now)) this.start()
  }
}
