import type { OutOfMemory } from '../../protocol/errors.js'

/** What each call that a dead worker leaves behind is told of its output: as many lines, and characters, at most. */
const LINES = 12
const CHARACTERS = 2_048

/** The end of what a process has written, for an error that many may get. */
export function lastLines(output: string): string {
  const lines = output.trimEnd().split('\n').slice(-LINES).join('\n')
  return lines.length <= CHARACTERS ? lines : `…${lines.slice(1 - CHARACTERS)}`
}

/** What V8 writes before it aborts. */
const FATAL = /FATAL ERROR: .*(?:heap out of memory|out of memory|Allocation failed)/

export interface Ending {
  readonly code: number | null
  readonly signal: string | null
  /** The runtime itself had sent SIGKILL. */
  readonly killed: boolean
  readonly output: string
}

/**
 * Did memory end it? V8 says so before it aborts. The kernel's SIGKILL looks like anybody's, and an abort without a word may
 * have any reason: nobody can know.
 */
export function outOfMemory({ code, signal, killed, output }: Ending): OutOfMemory {
  const aborted = code === 134 || signal === 'SIGABRT' || signal === 'SIGTRAP' || signal === 'SIGILL'
  if (aborted) {
    if (FATAL.test(output)) return 'yes'
    return output === '' ? 'unknown' : 'no'
  }
  return signal === 'SIGKILL' && !killed ? 'unknown' : 'no'
}
