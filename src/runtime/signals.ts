import { constants } from 'node:os'
import type { Logger } from './logger.js'
import type { Supervisor } from './supervision/supervisor.js'

/**
 * One Ctrl-C can arrive twice: from the terminal, and again from a parent (npm) that passes it on. Within this many ms the
 * second is taken for the same one.
 */
const SAME_PRESS = 250

/** SIGINT and SIGTERM stop the cluster, the second one at once; SIGHUP reloads. Returns what takes the handlers away. */
export function handleSignals(supervisor: Pick<Supervisor, 'stop' | 'kill' | 'reload'>, logger: Logger): () => void {
  let first = Number.NEGATIVE_INFINITY
  const end = (signal: NodeJS.Signals): void => {
    const now = performance.now()
    if (first === Number.NEGATIVE_INFINITY) {
      first = now
      void supervisor.stop({ reason: 'signal', signal })
    } else if (now - first > SAME_PRESS) {
      process.exitCode = 128 + constants.signals[signal]
      void supervisor.kill({ reason: 'signal', signal })
    }
  }
  const reload = (): void => {
    supervisor.reload().catch((error: unknown) => logger.error('the reload asked for by SIGHUP failed', error))
  }
  process.on('SIGINT', end)
  process.on('SIGTERM', end)
  process.on('SIGHUP', reload)
  return () => {
    process.off('SIGINT', end)
    process.off('SIGTERM', end)
    process.off('SIGHUP', reload)
  }
}
