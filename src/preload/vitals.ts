import { hasInspector, isDebugged } from '../runtime/evidence/own-inspector.js'
import type { Vitals } from '../runtime/pulse.js'

/** Node's flag under which SIGUSR1 opens no inspector. */
const DEAF = '--disable-sigusr1'

/**
 * Two workers cannot share node's default port, and nobody may guess the one that is opened for a stack: 0 lets the system
 * choose. Whoever asked for a port of their own keeps it.
 */
export function useEphemeralInspectorPort(): void {
  if (!isFlagged('--inspect')) process.debugPort = 0
}

function isFlagged(flag: string): boolean {
  return [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((text) => text.includes(flag))
}

/** What this process knows of itself; `requests` counts those of HTTP, where somebody does. */
export function vitals(requests: () => number): () => Vitals {
  const deaf = isFlagged(DEAF)
  // The first sign of life comes before the program: without a flag nobody can have opened the inspector, and to ask would be a
  // millisecond of the start.
  let mayBeDebugged = isFlagged('--inspect')
  return () => {
    const { rss, heapUsed } = process.memoryUsage()
    const debugged = mayBeDebugged && isDebugged()
    mayBeDebugged = true
    return {
      rss,
      heap: heapUsed,
      requests: requests(),
      debugged,
      inspectable: hasInspector && !deaf && process.listenerCount('SIGUSR1') === 0,
    }
  }
}
