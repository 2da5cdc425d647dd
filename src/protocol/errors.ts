import { describeTarget, type Target } from './address.js'
import type { Incarnation, ProcessRef, WorkerId } from './ids.js'

/**
 * The catalogue: every error that the library raises on purpose.
 *
 * A class is built from its details and writes its own message from them, so that it can be sent as `{ code, details }`
 * and rebuilt on the other side with the caller's stack (`error-record.ts`). All details are plain JSON.
 */

/** Did the call reach its target? `'maybe'` is the honest answer when nobody can know. */
export type Sent = 'no' | 'maybe' | 'yes'

/** Where a call was when it failed, as far as it is known. */
export type CallStage = { readonly kind: 'waiting'; readonly ms: number } | { readonly kind: 'unknown' }

export interface CallDetails {
  readonly target?: Target | undefined
  readonly method?: string | undefined
  readonly sent?: Sent | undefined
}

export abstract class TroupeError extends Error {
  abstract readonly code: string
  readonly target: Target | undefined
  readonly method: string | undefined
  /** `'no'`: certainly never started, safe to send again. */
  readonly sent: Sent
  /** True where the same call may well succeed a moment later and repeating it cannot do it twice. */
  readonly retryable: boolean

  /** What the error was built from, and is sent as. */
  declare readonly details: object

  protected constructor(message: string, details: object, options: ErrorOptions & { retryable?: boolean } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    const call: CallDetails = details
    this.target = call.target
    this.method = call.method
    // Whoever cannot know says 'maybe'; what is raised without a word of it was refused before it was sent.
    this.sent = call.sent ?? 'no'
    this.retryable = options.retryable ?? false
    // Not enumerable: it repeats the fields, and `console.log(error)` should stay readable.
    Object.defineProperty(this, 'details', { enumerable: false, value: details })
  }

  override get name(): string {
    return this.constructor.name
  }
}

/** The program used the library wrongly: a wrong option or argument, a second cluster, a platform without support. */
export class UsageError extends TroupeError {
  readonly code = 'ERR_USAGE'
  constructor(details: string | { message: string }) {
    const message = typeof details === 'string' ? details : details.message
    super(message, { message })
  }
}

export interface CallTimeoutDetails extends CallDetails {
  readonly timeout: number
  readonly stage: CallStage
}

export class CallTimeoutError extends TroupeError {
  readonly code = 'ERR_CALL_TIMEOUT'
  readonly timeout: number
  readonly stage: CallStage
  constructor(details: CallTimeoutDetails) {
    super(
      `${callName(details)} gave no answer within ${Math.round(details.timeout)} ms. Its outcome is unknown: it may still be ` +
        'running, or its answer may be lost. Raise `timeout`, or make the method idempotent and call again',
      details,
    )
    this.timeout = details.timeout
    this.stage = details.stage
  }
}

export interface WorkerGoneDetails extends CallDetails {
  readonly id: WorkerId
  readonly incarnation: Incarnation
  readonly pid?: number | undefined
  readonly exitCode?: number | null | undefined
  readonly signal?: string | null | undefined
}

export class WorkerGoneError extends TroupeError {
  readonly code = 'ERR_WORKER_GONE'
  readonly id: WorkerId
  readonly incarnation: Incarnation
  readonly pid: number | undefined
  readonly exitCode: number | null
  readonly signal: string | null
  readonly stage: CallStage = { kind: 'unknown' }
  constructor(details: WorkerGoneDetails) {
    super(
      `${describeTarget(details.id)} (incarnation ${details.incarnation}${details.pid ? `, pid ${details.pid}` : ''}) ` +
        `${describeExit(details.exitCode, details.signal)} before it answered ${details.method ?? 'this message'}. ` +
        sentHint(details.sent),
      details,
      { retryable: details.sent === 'no' },
    )
    this.id = details.id
    this.incarnation = details.incarnation
    this.pid = details.pid
    this.exitCode = details.exitCode ?? null
    this.signal = details.signal ?? null
  }
}

export interface NoSuchWorkerDetails extends CallDetails {
  /** What is there instead: "failed", "stopped", or the ids that exist. */
  readonly reason: string
}

export class NoSuchWorkerError extends TroupeError {
  readonly code = 'ERR_NO_SUCH_WORKER'
  constructor(details: NoSuchWorkerDetails) {
    super(`${callName(details)} was not sent: ${details.reason}`, details)
  }
}

export interface WorkerUnavailableDetails extends CallDetails {
  readonly reason: string
}

export class WorkerUnavailableError extends TroupeError {
  readonly code = 'ERR_WORKER_UNAVAILABLE'
  constructor(details: WorkerUnavailableDetails) {
    super(`${callName(details)} was not sent: ${details.reason}`, details, { retryable: true })
  }
}

export interface NoSuchMethodDetails extends CallDetails {
  /** The names that do exist there, the first few. */
  readonly known: readonly string[]
}

export class NoSuchMethodError extends TroupeError {
  readonly code = 'ERR_NO_SUCH_METHOD'
  readonly known: readonly string[]
  constructor(details: NoSuchMethodDetails) {
    const known = details.known.length > 0 ? `It has ${details.known.join(', ')}` : 'It has no methods at all'
    super(
      `${describeTarget(details.target ?? 'any')} has no method ${JSON.stringify(details.method)}. ${known}`,
      details,
    )
    this.known = details.known
  }
}

export interface MailboxFullDetails extends CallDetails {
  readonly limit: number
  /** Which queue was full: the target's mailbox, or the link on the way to it. */
  readonly queue: 'mailbox' | 'link'
  /** Of those in the mailbox, how many still run though their callers have given up. */
  readonly abandoned?: number | undefined
}

export class MailboxFullError extends TroupeError {
  readonly code = 'ERR_MAILBOX_FULL'
  readonly limit: number
  constructor(details: MailboxFullDetails) {
    const { limit, queue, abandoned = 0 } = details
    const place = queue === 'mailbox' ? 'mailbox holds' : 'link has'
    const advice =
      abandoned > 0
        ? `${abandoned} of them still run though their callers gave up: let those methods heed \`currentCall().signal\``
        : `Call less at once, or raise \`limits.${queue}\``
    super(`${callName(details)} was refused: the ${place} ${limit} messages, its limit. ${advice}`, details, {
      retryable: true,
    })
    this.limit = limit
  }
}

export interface PayloadDetails extends CallDetails {
  /** Where in the value, as one would write it in code: `args[0].rows[3].run`. */
  readonly path: string
  readonly reason: string
}

export class PayloadError extends TroupeError {
  readonly code = 'ERR_PAYLOAD'
  readonly path: string
  /** What is wrong with the value there, without the call's name. */
  readonly reason: string
  constructor(details: PayloadDetails) {
    const call = details.method === undefined ? '' : ` (${callName(details)})`
    super(`${details.path} ${details.reason}${call}`, details)
    this.path = details.path
    this.reason = details.reason
  }
}

export interface ValidationDetails extends CallDetails {
  /** What was validated: "the arguments of charge", "a value for channel cache.invalidated". */
  readonly subject: string
  readonly issues: readonly { readonly message: string; readonly path: readonly string[] }[]
}

export class ValidationError extends TroupeError {
  readonly code = 'ERR_VALIDATION'
  readonly issues: ValidationDetails['issues']
  constructor(details: ValidationDetails) {
    const lines = details.issues.map((issue) =>
      issue.path.length ? `${issue.path.join('.')}: ${issue.message}` : issue.message,
    )
    super(`The schema refused ${details.subject}: ${lines.join('; ')}`, details)
    this.issues = details.issues
  }
}

export class CallAbortedError extends TroupeError {
  readonly code = 'ERR_CALL_ABORTED'
  constructor(details: CallDetails, options: ErrorOptions = {}) {
    super(`${callName(details)} was aborted by its caller`, details, options)
  }

  /** The platform's name for it, so that `error.name === 'AbortError'` works here as it does with fetch. */
  override get name(): string {
    return 'AbortError'
  }
}

export interface CallCycleDetails extends CallDetails {
  /** The calls from the first to the one refused, each as "worker 1.resize". */
  readonly cycle: readonly string[]
  readonly reason: string
}

export class CallCycleError extends TroupeError {
  readonly code = 'ERR_CALL_CYCLE'
  readonly cycle: readonly string[]
  constructor(details: CallCycleDetails) {
    super(`${callName(details)} was refused: ${details.reason}: ${details.cycle.join(' -> ')}`, details)
    this.cycle = details.cycle
  }
}

/** What was thrown on the other side, as plain data (`thrown.ts` makes it). */
export interface ThrownRecord {
  readonly name: string
  readonly message: string
  readonly code?: string | number | undefined
  readonly stack?: string | undefined
  readonly cause?: ThrownRecord | undefined
  /** The error's own enumerable properties, those that are plain JSON. */
  readonly properties?: Readonly<Record<string, unknown>> | undefined
}

export interface RemoteDetails extends CallDetails {
  readonly from: ProcessRef
  readonly thrown: ThrownRecord
}

export class RemoteError extends TroupeError {
  readonly code = 'ERR_REMOTE'
  /** Which process threw. */
  readonly from: ProcessRef
  /** The thrown error: `name`, `message`, `code`, `stack`, `cause` and own properties as they were over there. */
  readonly remote: ThrownRecord
  constructor(details: RemoteDetails) {
    const { thrown } = details
    super(`${callName(details)} threw ${thrown.name}: ${thrown.message}`, { ...details, sent: 'yes' })
    this.from = details.from
    this.remote = thrown
  }
}

export class ClusterClosedError extends TroupeError {
  readonly code = 'ERR_CLUSTER_CLOSED'
  constructor(details: CallDetails & { readonly reason?: string }) {
    super(`${callName(details)} was refused: ${details.reason ?? 'the cluster is stopping or has stopped'}`, details)
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

export class ReloadError extends TroupeError {
  readonly code = 'ERR_RELOAD'
  readonly failures: readonly FailedStart[]
  constructor(details: FailedStartDetails) {
    super(
      `The reload was given up; the workers not yet replaced serve on. ${describeFailures(details.failures)}`,
      details,
    )
    this.failures = details.failures
  }
}

function callName(details: CallDetails): string {
  const target = details.target === undefined ? '' : ` on ${describeTarget(details.target)}`
  return `${details.method ?? 'The call'}${target}`
}

export function describeExit(code: number | null | undefined, signal: string | null | undefined): string {
  if (signal) return `was killed by ${signal}`
  return code === null || code === undefined ? 'closed its channel' : `exited with code ${code}`
}

function sentHint(sent: Sent | undefined): string {
  if (sent === 'no') return 'It was never started, so it is safe to call again'
  return 'It may have been carried out, wholly or in part: call again only what may happen twice'
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
