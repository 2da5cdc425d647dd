import type { StickySettings } from '../../protocol/frames.js'
import { ipHash, leastConnections, type Pick } from '../placement/policies.js'

/** A policy, as a listener carries it out. */
export interface Plan {
  /** Who accepts. Workers that do so by themselves are kept even, or take what they get; the primary hands over. */
  readonly accepts: 'workers evenly' | 'workers' | 'primary'
  /** Who gets a connection that the primary holds. */
  readonly pick: Pick
  /** May another have it when the picked one has no room for now? */
  readonly flexible: boolean
  readonly proxyProtocol: boolean
  /** Read from the first request's head: the sticky key, or who sent it. */
  readonly sticky: StickySettings | undefined
  readonly isTrustedProxy: ((address: string) => boolean) | undefined
}

export const HANDED_OVER: Plan = {
  accepts: 'primary',
  pick: leastConnections,
  flexible: true,
  proxyProtocol: false,
  sticky: undefined,
  isTrustedProxy: undefined,
}

export function needsHead({ sticky, isTrustedProxy }: Plan): boolean {
  return sticky !== undefined || isTrustedProxy !== undefined
}

/** What a port gets whose policy needs bytes that cannot be read there (TLS, HTTP/2, another protocol). */
export function withoutHead({ proxyProtocol }: Plan): Plan {
  return { ...HANDED_OVER, pick: ipHash, flexible: false, proxyProtocol }
}
