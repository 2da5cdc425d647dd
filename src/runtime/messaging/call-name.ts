import type { Target } from '../../protocol/address.js'
import type { WireTarget } from '../../protocol/frames.js'

/** How an error names a call. */
export interface CallName {
  readonly target: Target
  readonly method: string
}

export function nameOf(to: WireTarget, method: string): CallName {
  return { target: to === 0 ? 'primary' : to, method }
}
