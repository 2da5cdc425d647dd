import { describeTarget } from '../address.js'
import { type CallDetails, TroupeError } from './troupe-error.js'
import { callName } from './wording.js'

// Calls that were not carried out: there is nobody for them, no such method, no room, or they would wait for themselves.

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

export interface MethodKindDetails extends CallDetails {
  /** What the method is. `undeclared`: it returned a stream and was not known for one. `unkept`: the other way round. */
  readonly kind: 'stream' | 'plain' | 'undeclared' | 'unkept'
}

/** A stream was called, or what is no stream was read as one. */
export class MethodKindError extends TroupeError {
  readonly code = 'ERR_METHOD_KIND'
  constructor(details: MethodKindDetails) {
    super(`${callName(details)} ${KIND_ADVICE[details.kind]}`, details)
  }
}

const KIND_ADVICE: Readonly<Record<MethodKindDetails['kind'], string>> = {
  stream: 'is a stream and gives no single answer: read it with `stream(target, method, args)`',
  plain:
    'is not a stream: use `call(target, method, args)`. If it returns an async generator that another function made, declare it: ' +
    '`method({ stream: true }, fn)`',
  undeclared:
    'returned an async generator, which cannot be sent as a value: declare it, `method({ stream: true }, fn)`, and read it ' +
    'with `stream(target, method, args)`',
  unkept: 'is declared as a stream, and returned nothing that can be iterated',
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
    const full =
      queue === 'mailbox'
        ? `the mailbox holds ${limit} messages, its limit`
        : 'the link holds as much as it may, unread'
    const advice =
      abandoned > 0
        ? `${abandoned} of them still run though their callers gave up: let those methods heed \`currentCall().signal\``
        : `Call less at once, or raise ${queue === 'mailbox' ? '`limits.mailbox`' : '`limits.link` and `limits.linkBytes`'}`
    super(`${callName(details)} was refused: ${full}. ${advice}`, details, {
      // A stream may be cut for it, of which items have come.
      retryable: (details.sent ?? 'no') === 'no',
    })
    this.limit = limit
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

export class ClusterClosedError extends TroupeError {
  readonly code = 'ERR_CLUSTER_CLOSED'
  constructor(details: CallDetails & { readonly reason?: string }) {
    super(`${callName(details)} was refused: ${details.reason ?? 'the cluster is stopping or has stopped'}`, details)
  }
}
