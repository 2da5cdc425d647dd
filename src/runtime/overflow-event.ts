import type { Overflow } from '../protocol/contract.js'

/** A process did not read a channel as fast as others published on it. */
export interface OverflowEvent {
  /** 0 is the primary. */
  readonly id: number
  readonly incarnation: number
  readonly channel: string
  /** What the channel says to do then. */
  readonly overflow: Overflow
  /** Messages that it has missed since the last such event; with `disconnect`, those that came before it was unsubscribed. */
  readonly dropped: number
}
