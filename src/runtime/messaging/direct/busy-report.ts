import type { BusyFrame } from '../../../protocol/frames.js'
import type { Clock } from '../../clock.js'

/** How often the primary is told, at most, ms: it picks the least busy worker by it. */
const INTERVAL = 50

/** Tells the primary how busy others keep this process over links, which it cannot see. */
export class BusyReport {
  readonly #clock: Clock
  readonly #tell: (frame: BusyFrame) => void
  #calls = 0
  /** Calls and casts since it was told. */
  #served = 0
  #toldCalls = 0
  #due = false

  constructor(clock: Clock, tell: (frame: BusyFrame) => void) {
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
    this.#clock.after(INTERVAL, () => this.#tellNow(), { idle: true })
  }

  #tellNow(): void {
    this.#due = false
    const [calls, served] = [this.#calls, this.#served]
    if (calls === this.#toldCalls && served === 0) return
    this.#toldCalls = calls
    this.#served = 0
    this.#tell({ kind: 'busy', calls, served })
  }
}
