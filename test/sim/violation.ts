/** The promises that a run is held to, by name. */
export type Invariant =
  /** Every call settles, and exactly once. P1. */
  | 'settles once'
  /** Not after its deadline plus a step, on its caller's event loop. P1. */
  | 'in time'
  /** Never twice in one process, and in two only what is declared idempotent. */
  | 'runs once'
  /** From one sender to one receiver, in the order sent. P3. */
  | 'order'
  /** What a method has answered reaches its caller, when nothing befell anybody on the way. */
  | 'answers'
  /** What an error or a receipt says is so. P2. */
  | 'truth'
  /** Queues keep their limits. P4. */
  | 'bounded'
  /** Restarts keep their budget. P7. */
  | 'restarts'
  /** When the faults are over, everything works. */
  | 'heals'
  /** When nobody waits for anything, nothing is pending. */
  | 'quiet'

export interface Violation {
  readonly invariant: Invariant
  readonly what: string
}
