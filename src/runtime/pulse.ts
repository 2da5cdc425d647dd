import type { UpFrame } from '../protocol/frames.js'
import type { Transport } from '../protocol/transport.js'
import type { Clock } from './clock.js'

/** What a worker process knows of itself. Sizes in bytes. */
export interface Vitals {
  readonly rss: number
  readonly heap: number
  /** HTTP requests begun since the start; 0 where nobody counts them. */
  readonly requests: number
  /** Its inspector is open. */
  readonly debugged: boolean
  /** SIGUSR1 would open it. */
  readonly inspectable: boolean
}

/** Where there is no process under the worker: a cluster of one, a simulated one. */
export const NO_VITALS: Vitals = { rss: 0, heap: 0, requests: 0, debugged: false, inspectable: false }

export interface PulseOptions {
  readonly clock: Clock
  readonly link: Pick<Transport<UpFrame, never>, 'sendNow'>
  /** Milliseconds between two signs of life. */
  readonly interval: number
  readonly vitals: () => Vitals
}

/**
 * A worker's signs of life: told by a timer of its own, so that what arrives is proof of a loop that turns. The primary's part
 * is `supervision/heartbeat.ts`.
 */
export class Pulse {
  readonly #options: PulseOptions
  #due: number
  /** The last one has not left the process: a channel that nobody reads must not fill up with them. */
  #unsent = false

  constructor(options: PulseOptions) {
    this.#options = options
    this.#due = options.clock.now()
    this.#next()
  }

  /** One sign of life, now. */
  beat(): void {
    if (this.#unsent) return
    const { clock, link, vitals } = this.#options
    this.#unsent = true
    const lag = Math.max(0, clock.now() - this.#due)
    link.sendNow(
      { kind: 'health', lag, ...vitals() },
      {
        written: () => {
          this.#unsent = false
        },
      },
    )
  }

  #next(): void {
    const { clock, interval } = this.#options
    this.beat()
    this.#due = clock.now() + interval
    clock.after(interval, () => this.#next(), { idle: true })
  }
}
