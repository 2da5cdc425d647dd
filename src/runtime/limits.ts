import { DEFAULT_PAYLOAD_LIMIT } from '../protocol/payload.js'

/** Everything that can grow, and where it stops. One object for the whole cluster: the primary hands it to its workers. */
export interface Limits {
  /** Calls and casts that a worker has accepted and not finished. Over it: `MailboxFullError`. Default 1 024. */
  readonly mailbox: number
  /** Calls that wait in the primary for one worker that is starting. Over it: `WorkerUnavailableError`. Default 1 024. */
  readonly waiting: number
  /** Bytes of one encoded value, near enough (characters are counted). Over it: `PayloadError`. Default 4 MiB. */
  readonly payload: number
  /** Messages that a link holds because the other side does not read. Over it: `MailboxFullError`. Default 16 384. */
  readonly link: number
}

export interface Timeouts {
  /** Deadline of a call whose method and caller name none, in ms. Default 5 000. */
  readonly call: number
  /** Deadline of a publish with `ack`, in ms. Default 5 000. */
  readonly ack: number
  /** How long a worker may take to become ready, in ms. Default 30 000. */
  readonly ready: number
  /** How long connections, and then calls, may take to drain, in ms. Default 10 000. */
  readonly drain: number
  /** How long a worker may take to end after SIGTERM before it gets SIGKILL, in ms. Default 5 000. */
  readonly kill: number
}

export const DEFAULT_LIMITS: Limits = Object.freeze({
  mailbox: 1_024,
  waiting: 1_024,
  payload: DEFAULT_PAYLOAD_LIMIT,
  link: 16_384,
})

export const DEFAULT_TIMEOUTS: Timeouts = Object.freeze({
  call: 5_000,
  ack: 5_000,
  ready: 30_000,
  drain: 10_000,
  kill: 5_000,
})
