import { hasInspector, isDebugged } from '../runtime/evidence/own-inspector.js'
import type { Vitals } from '../runtime/pulse.js'

/** Node's flag under which SIGUSR1 opens no inspector. */
const DEAF = '--disable-sigusr1'

/**
 * Two workers cannot share node's default port, and nobody may guess the one that is opened for a stack: 0 lets the system
 * choose. Whoever asked for a port of their own keeps it.
 */
export function useEphemeralInspectorPort(): void {
  if (!hasFlag('--inspect')) process.debugPort = 0
}

function hasFlag(flag: string): boolean {
  return [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((text) => text.includes(flag))
}

/** What this process knows of itself; `requests` counts those of HTTP, where somebody does. */
export function vitals(requests: () => number): () => Vitals {
  const deaf = hasFlag(DEAF)
  // The first report leaves before the program runs, and to ask would load the inspector, a millisecond of the start. One that
  // another preload has opened shows in the second.
  let isFirst = true
  let memory = { rss: 0, heapUsed: 0 }
  return () => {
    memory = memoryUsage() ?? memory
    const { rss, heapUsed } = memory
    const debugged = (!isFirst || hasFlag('--inspect')) && isDebugged()
    isFirst = false
    return {
      rss,
      heap: heapUsed,
      requests: requests(),
      debugged,
      inspectable: hasInspector && !deaf && process.listenerCount('SIGUSR1') === 0,
    }
  }
}

/** The system tells it in a file, for which a process that has no descriptor left has none: undefined. */
function memoryUsage(): NodeJS.MemoryUsage | undefined {
  try {
    return process.memoryUsage()
  } catch {
    return undefined
  }
}
