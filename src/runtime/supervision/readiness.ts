import type { ListenAddress } from '../../protocol/frames.js'

/** When a worker counts as ready: a pure function of what has been seen of it. */
export type ReadyMode = 'auto' | 'join' | 'listen' | 'online' | 'manual'

export const READY_MODES = ['auto', 'join', 'listen', 'online', 'manual'] as const satisfies readonly ReadyMode[]

export interface Seen {
  /** Its process runs JavaScript. */
  online: boolean
  /** `joinCluster` has resolved, one turn ago. */
  joined: boolean
  /** It called `cluster.ready()`. */
  manual: boolean
  /** Where its servers listen now, as `describeAddress` writes what they asked for. */
  listening: ReadonlySet<string>
}

/** What is still missing, in words for a failed start; empty when the worker is ready. */
export function missingForReady(mode: ReadyMode, seen: Seen, required: ReadonlySet<string>): readonly string[] {
  const missing: string[] = []
  if (mode === 'manual' && !seen.manual) missing.push('it has not called `cluster.ready()`')
  if (mode === 'join' && !seen.joined) missing.push('it has not called `joinCluster`')
  if (mode === 'listen' && seen.listening.size === 0) missing.push('it does not listen')
  if (mode === 'online' && !seen.online) missing.push('its process has not started to run')
  if (mode === 'auto' && !seen.joined && seen.listening.size === 0)
    missing.push('it has neither called `joinCluster` nor listened')
  for (const address of required) {
    if (!seen.listening.has(address)) missing.push(`it does not listen on ${address}, where its predecessor did`)
  }
  return missing
}

export function describeAddress({ address, port, addressType }: ListenAddress): string {
  if (addressType === -1) return String(address)
  const host = address ?? '*'
  return `${addressType === 6 || addressType === 'udp6' ? `[${host}]` : host}:${port}${String(addressType).startsWith('udp') ? '/udp' : ''}`
}

/** Where a successor has to listen: wherever this process does, but for a socket file that has its pid in its name. */
export function addressesToInherit(listening: ReadonlySet<string>, pid: number): ReadonlySet<string> {
  const named = new RegExp(`(?<!\\d)${pid}(?!\\d)`)
  return new Set([...listening].filter((address) => !(address.includes('/') && named.test(address))))
}
