import type { Incarnation, WorkerId } from '../ids.js'
import { TroupeError } from './troupe-error.js'

// The cluster did not start, or a reload did not: the program was wrong, or its workers were.

/** The program used the library wrongly: a wrong option or argument, a second cluster, a platform without support. */
export class UsageError extends TroupeError {
  readonly code = 'ERR_USAGE'
  constructor(details: string | { message: string }) {
    const message = typeof details === 'string' ? details : details.message
    super(message, { message })
  }
}

/** One process that did not become ready. */
export interface FailedStart {
  readonly id: WorkerId
  readonly incarnation: Incarnation
  readonly pid?: number | undefined
  /** How it ended, where it did so by itself or was killed. */
  readonly exitCode: number | null
  readonly signal: string | null
  /** "exited with code 1", "was not ready within 30000 ms (…)". */
  readonly reason: string
  /** The last it wrote to stderr, up to 8 KiB. Empty when its stderr was not piped to the primary. */
  readonly output: string
}

export interface FailedStartDetails {
  readonly failures: readonly FailedStart[]
}

export class BootError extends TroupeError {
  readonly code = 'ERR_BOOT'
  readonly failures: readonly FailedStart[]
  constructor(details: FailedStartDetails) {
    super(`The workers could not be started. ${describeFailures(details.failures)}`, details)
    this.failures = details.failures
  }
}

/** New workers failed before they took over. Nothing has been replaced. */
export class ReloadError extends TroupeError {
  readonly code = 'ERR_RELOAD'
  readonly failures: readonly FailedStart[]
  constructor(details: FailedStartDetails) {
    super(`The reload was given up, and the old workers serve on. ${describeFailures(details.failures)}`, details)
    this.failures = details.failures
  }
}

function describeFailures(failures: readonly FailedStart[]): string {
  return failures
    .map(({ id, reason, output }) => {
      const tail = output.trim()
      return `Worker ${id} ${reason}${tail ? `. Its last output:\n${tail.replace(/^/gm, '  ')}\n` : '. It printed nothing on stderr. '}`
    })
    .join('')
    .trimEnd()
}
