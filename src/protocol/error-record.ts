import {
  BootError,
  CallAbortedError,
  CallCycleError,
  CallTimeoutError,
  ClusterClosedError,
  MailboxFullError,
  MethodKindError,
  NoSuchMethodError,
  NoSuchWorkerError,
  PayloadError,
  ReloadError,
  RemoteError,
  type TroupeError,
  UsageError,
  ValidationError,
  WorkerGoneError,
  WorkerUnavailableError,
} from './errors.js'

/** An error of the catalogue on the wire. Its details are plain JSON by construction. */
export interface ErrorRecord {
  readonly code: string
  readonly details: object
}

// biome-ignore lint/suspicious/noExplicitAny: each class takes its own details; a record's are checked by its class's reader below.
type ErrorClass = new (details: any) => TroupeError

const catalogue = new Map<string, ErrorClass>([
  ['ERR_USAGE', UsageError],
  ['ERR_CALL_TIMEOUT', CallTimeoutError],
  ['ERR_WORKER_GONE', WorkerGoneError],
  ['ERR_NO_SUCH_WORKER', NoSuchWorkerError],
  ['ERR_WORKER_UNAVAILABLE', WorkerUnavailableError],
  ['ERR_NO_SUCH_METHOD', NoSuchMethodError],
  ['ERR_METHOD_KIND', MethodKindError],
  ['ERR_MAILBOX_FULL', MailboxFullError],
  ['ERR_PAYLOAD', PayloadError],
  ['ERR_VALIDATION', ValidationError],
  ['ERR_CALL_ABORTED', CallAbortedError],
  ['ERR_CALL_CYCLE', CallCycleError],
  ['ERR_REMOTE', RemoteError],
  ['ERR_CLUSTER_CLOSED', ClusterClosedError],
  ['ERR_BOOT', BootError],
  ['ERR_RELOAD', ReloadError],
])

/** The codes that a record may have. */
export const ERROR_CODES: readonly string[] = [...catalogue.keys()]

export function toRecord(error: TroupeError): ErrorRecord {
  return { code: error.code, details: error.details }
}

/**
 * Rebuilds an error where its record arrives, so that its stack is the receiver's. A record that no class can be built
 * from (another version, a bug) still becomes an error: nothing that arrives may leave a caller waiting.
 */
export function fromRecord(record: ErrorRecord): TroupeError {
  const ErrorClass = catalogue.get(record.code)
  try {
    if (ErrorClass) return new ErrorClass(record.details)
  } catch {
    // The details do not fit the class; say so below.
  }
  return new PayloadError({
    path: 'the answer',
    reason: `is a failure that cannot be read (code ${JSON.stringify(record.code)})`,
    sent: 'maybe',
  })
}
