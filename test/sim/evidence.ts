import type { Processes } from '../../src/testing/hooks.js'
import type { Execution, Ledger, Operation } from './ledger.js'
import type { Invariant } from './violation.js'

/** What a judge has to go by: what was written down, when which process could act, and where to say what is wrong. */
export interface Evidence {
  readonly ledger: Ledger
  readonly processes: Processes
  readonly note: (invariant: Invariant, what: string) => void
  /** By tag: the methods that ran for an operation. */
  readonly ran: ReadonlyMap<number, readonly Execution[]>
}

/** An answer that has been given arrives within this when nothing befalls anybody: two ways of the longest delay. */
export const WAY = 450
/** A dead process is seen to be dead within this, ms. */
export const EXIT = 200

/** `call 17 of 3 to any.work`. */
export function nameOf({ kind, tag, from, to, method, key, channel }: Operation): string {
  const what = channel ?? (key === undefined ? method : `${method} (${key})`)
  return `${kind} ${tag} of ${from} to ${to}.${what}`
}
