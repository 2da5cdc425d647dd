import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { inspectorAddress } from './inspector-lines.js'
import { readStack } from './read-stack.js'
import { type Sighting, unseen } from './sighting.js'

export interface LookOptions {
  /** Its stderr is where it says the address of its inspector; `null` when that is not piped. */
  readonly process: Pick<ChildProcess, 'pid' | 'exitCode' | 'signalCode' | 'stderr'>
  /** SIGUSR1 opens its inspector, as far as is known. */
  readonly inspectable: boolean
  /** Called before SIGUSR1 is sent: from then on node writes of its inspector. */
  readonly opening: () => void
}

/** How long the whole look may take, ms. */
const LOOK = 2_000

/**
 * Looks at a process whose event loop is blocked. SIGUSR1 makes node open its inspector on a thread that is not blocked, on
 * loopback and a port that the system chooses (`preload/vitals.ts`); the address is said on stderr.
 */
export async function look({ process: child, inspectable, opening }: LookOptions): Promise<Sighting> {
  const { pid, stderr } = child
  const ended = pid === undefined || child.exitCode !== null || child.signalCode !== null
  // Its pid may be another's by now. That it has ended may be known here before it is told: what it wrote comes first.
  if (ended) return unseen('it has just ended')
  const activity = activityOf(pid)
  const without = (reason: string): Sighting => ({ ...unseen(reason), activity })
  if (activity === 'stopped') return without('it is stopped (SIGSTOP), and no JavaScript can be asked for its stack')
  if (!inspectable) return without('SIGUSR1 opens no inspector there, the program uses it otherwise')
  if (!stderr)
    return without('its stderr is not piped to the primary, so that the address of its inspector is not known')
  opening()
  try {
    // Before anything waits for the answer: where this throws, nobody is left to hear that there was none.
    process.kill(pid, 'SIGUSR1')
    const signal = AbortSignal.timeout(LOOK)
    return { activity, stack: await readStack(await addressSaid(stderr, signal), signal), reason: undefined }
  } catch (error) {
    return without((error as NodeJS.ErrnoException).code === 'ESRCH' ? 'it has just ended' : (error as Error).message)
  }
}

/** What the main thread does: the third column of `/proc/<pid>/stat`, behind a name that may have spaces and parentheses. */
function activityOf(pid: number): Sighting['activity'] {
  try {
    const [, state = ''] = /\) (\w) /.exec(readFileSync(`/proc/${pid}/stat`, 'latin1')) ?? []
    if (state === 'R') return 'running'
    if (state === 'T' || state === 't') return 'stopped'
    return state === 'S' || state === 'D' ? 'sleeping' : 'unknown'
  } catch {
    return 'unknown'
  }
}

/** What of the output is looked through for the address, characters: whoever writes much else must not cost much. */
const WINDOW = 4_096

/** The first that is said from now on. */
function addressSaid(stderr: Readable, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const listen = (chunk: Buffer): void => {
      text += chunk.toString('latin1')
      const address = inspectorAddress(text)
      text = text.slice(-WINDOW)
      if (address) end(() => resolve(address))
    }
    const end = (settle: () => void): void => {
      stderr.off('data', listen)
      settle()
    }
    stderr.on('data', listen)
    const reason = 'its inspector did not open: it is inside a call to the system, or of native code'
    signal.addEventListener('abort', () => end(() => reject(new Error(reason))), { once: true })
  })
}
