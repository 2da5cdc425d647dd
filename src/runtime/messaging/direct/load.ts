import type { Clock } from '../../clock.js'

/** How often the primary is told, at most, ms: it picks the least busy worker by it. */
const INTERVAL = 50

/** How busy others keep this process over links, which the primary cannot see. */
export class Load {
  readonly #clock: Clock
  readonly #tell: (calls: number, served: number) => void
  #calls = 0
  #served = 0
  #told = 0
  #due = false

  constructor(clock: Clock, tell: (calls: number, served: number) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** A call, or a cast, of which nobody hears when it has ended. */
  began(isCall: boolean): void {
    if (isCall) this.#calls++
    this.#served++
    this.#tellLater()
  }

  ended(): void {
    this.#calls--
    this.#tellLater()
  }

  #tellLater(): void {
    if (this.#due) return
    this.#due = true
    this.#clock.after(
      INTERVAL,
      () => {
        this.#due = false
        if (this.#calls === this.#told && this.#served === 0) return
        this.#told = this.#calls
        const served = this.#served
        this.#served = 0
        this.#tell(this.#calls, served)
      },
      { idle: true },
    )
  }
}
