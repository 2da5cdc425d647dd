/** Everything that crosses a process border in this program. */
import { channel } from 'troupe'

/** An item as it is stored, cached and sent. */
export interface Item {
  /** Higher with every write of any item, and never used twice: also not after a DELETE. */
  readonly version: number
  /** The JSON text of its value: parsed once, when it came in. */
  readonly value: string
}

/**
 * Published after every write, with `ack: true`: when it has been acknowledged, no worker serves what was there before.
 * It says *that* the item changed, not what it is now: two of them may arrive in another order than their writes were
 * made, and forgetting is right in any order.
 */
export const itemChanged = channel<{ key: string }>('cache.item-changed')

export interface WorkerMethods {
  /** The port that all workers listen on. */
  port(): number
}

export interface Contract {
  worker: WorkerMethods
}
