import type { PartMemory } from '../../protocol/binary-parts.js'
import { type CallDetails, CallTimeoutError } from '../../protocol/errors.js'
import type { MessagingUpFrame, WireTarget } from '../../protocol/frames.js'
import type { Clock } from '../clock.js'
import { within } from '../within.js'

/** The way to the router, as this process's messaging uses it. */
export interface MessagingLink {
  send(frame: MessagingUpFrame): void
  /** Whether the link by which a message to there would go holds all that it may. False in the primary, whose router refuses by target. */
  isFull(to: WireTarget): boolean
  /** What is sent there goes over a direct link, where binary values travel as bytes: where their copies are put. */
  memoryFor?(to: WireTarget): PartMemory | undefined
  /** Resolve when what was sent last has left, as far as that can be known from here; undefined when it has already. */
  castFlushed(): Promise<void> | undefined
  publishFlushed(): Promise<void> | undefined
}

/** Whoever begins to wait for the same write within so many ms shares one timer: there may be thousands. */
const SHARED = 20

/** Waits until links have taken what was sent, and not for ever: a process that is stopped takes nothing. */
export class HandOver {
  readonly #clock: Clock
  readonly #timeout: number
  readonly #waits = new WeakMap<Promise<void>, { readonly until: number; readonly taken: Promise<true | undefined> }>()

  constructor(clock: Clock, timeout: number) {
    this.#clock = clock
    this.#timeout = timeout
  }

  /** Throws `CallTimeoutError` when it takes longer than the timeout, and a little. */
  async done(flushed: Promise<void> | undefined, name: CallDetails): Promise<void> {
    if (!flushed || (await this.#taken(flushed))) return
    throw new CallTimeoutError({ ...name, timeout: this.#timeout, sent: 'maybe', stage: { kind: 'unknown' } })
  }

  #taken(flushed: Promise<void>): Promise<true | undefined> {
    const now = this.#clock.now()
    const known = this.#waits.get(flushed)
    if (known && now < known.until) return known.taken
    const written = flushed.then(() => true as const)
    const taken = within(this.#clock, this.#timeout + SHARED, written)
    this.#waits.set(flushed, { until: now + SHARED, taken })
    return taken
  }
}
