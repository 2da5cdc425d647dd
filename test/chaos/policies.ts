import type { ClusterOptions } from 'troupe'
import type { Size } from './report.js'

/** A way in which connections come to workers, and what requests need to have for it. */
export interface Policy {
  readonly name: string
  readonly balance: NonNullable<ClusterOptions['balance']>
  /** Header lines of each request. */
  readonly headers?: () => string
}

/** Workers accept for themselves; the primary accepts; the primary reads a head before it knows for whom. */
const DEFAULT: Policy = { name: 'default policy', balance: 'round-robin' }
const HAND_OFF: Policy = { name: 'hand-off', balance: { policy: 'round-robin', accept: 'primary' } }
const STICKY: Policy = {
  name: 'sticky',
  balance: { cookie: 'sid' },
  headers: () => `Cookie: sid=${Math.random()}\r\n`,
}

export const policiesFor = (size: Size): readonly Policy[] =>
  size === 'brief' ? [DEFAULT, HAND_OFF] : [DEFAULT, HAND_OFF, STICKY]
