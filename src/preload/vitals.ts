import { hasInspector, isDebugged } from '../runtime/evidence/own-inspector.js'
import type { Vitals } from '../runtime/pulse.js'

/** Node's flag under which SIGUSR1 opens no inspector. */
const DEAF = '--disable-sigusr1'

/**
 * Two workers cannot share node's default port, and nobody may guess the one that is opened for a stack: 0 lets the system
 * choose. Whoever asked for a port of their own keeps it.
 */
export function useEphemeralInspectorPort(): void {
  const chosen = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((text) => text.includes('--inspect'))
  if (!chosen) process.debugPort = 0
}

/** What this process knows of itself; `requests` counts those of HTTP, where somebody does. */
export function vitals(requests: () => number): () => Vitals {
  const deaf = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((text) => text.includes(DEAF))
  return () => {
    const { rss, heapUsed } = process.memoryUsage()
    return {
      rss,
      heap: heapUsed,
      requests: requests(),
      debugged: isDebugged(),
      inspectable: hasInspector && !deaf && process.listenerCount('SIGUSR1') === 0,
    }
  }
}
