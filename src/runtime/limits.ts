import { DEFAULT_PAYLOAD_LIMIT } from '../protocol/payload.js'

/** Everything that can grow, and where it stops. One object for the whole cluster: the primary hands it to its workers. */
export interface Limits {
  /** Calls and casts that a worker has accepted and not finished. Over it: `MailboxFullError`. Default 1 024. */
  readonly mailbox: number
  /** Calls that wait in the primary for one worker that is starting. Over it: `WorkerUnavailableError`. Default 1 024. */
  readonly waiting: number
  /** Bytes of one value as JSON text. Over it: `PayloadError`. Default 4 MiB. */
  readonly payload: number
  /** Items of one stream that are on their way, or wait for its reader. Then its generator waits. Default 64. */
  readonly stream: number
  /** The same in bytes, near enough; an item that is larger goes alone. Default 256 KiB. */
  readonly streamBytes: number
  /** Messages that a link holds because the other side does not read. Over it: `MailboxFullError`. Default 16 384. */
  readonly link: number
  /** And bytes of their payloads, near enough. Over it: the same. Default 4 MiB. */
  readonly linkBytes: number
  /** Answers to calls with an `idempotencyKey` that a worker remembers, the oldest forgotten first. Default 1 024. */
  readonly answers: number
  /** And their bytes, near enough. Default 64 MiB. */
  readonly answerBytes: number
  /** Connections that the primary holds for want of a worker, or reads from. Over it: 503, or the end. Default 1 024. */
  readonly connections: number
  /** Connections sent to one worker that it has not taken yet. Default 4. */
  readonly handoffs: number
  /** Bytes of a first request that a sticky policy reads for its head. Over it: 431. Default 16 384, at most 524 288. */
  readonly peek: number
}

export interface Timeouts {
  /** Deadline of a call whose method and caller name none, in ms. Default 5 000. */
  readonly call: number
  /** Deadline of a publish with `ack`, in ms. Default 5 000. */
  readonly ack: number
  /** How long a stream that goes on may be left unread, in ms. Then it is ended: `CallTimeoutError`. Default 60 000. */
  readonly idle: number
  /** How long a worker may take to become ready, in ms. Default 30 000. */
  readonly ready: number
  /**
   * How long a worker may give no sign of life, its event loop being blocked, before it gets no more connections and no more
   * calls to `'any'`, in ms. Default 2 000.
   */
  readonly heartbeat: number
  /** How long it may give none before it is killed and replaced, in ms. Default 30 000. */
  readonly blocked: number
  /** How long the new workers of a reload must stay alive, once all are ready, before they take over, in ms. Default 2 000. */
  readonly settle: number
  /** How long the head of a first request may take that a sticky policy reads, in ms. Then: 408. Default 10 000. */
  readonly peek: number
  /** How long a connection may wait for a worker, in ms. Then: 503, or the end. Default 30 000. */
  readonly waiting: number
  /** How long a worker may leave a connection that was sent to it before it is killed and another gets it, in ms. Default 30 000. */
  readonly handoff: number
  /** How long connections, and then calls, may take to drain, in ms. Default 10 000. */
  readonly drain: number
  /** How long a worker may take to end after SIGTERM before it gets SIGKILL, in ms. Default 5 000. */
  readonly kill: number
}

export const DEFAULT_LIMITS: Limits = Object.freeze({
  mailbox: 1_024,
  waiting: 1_024,
  payload: DEFAULT_PAYLOAD_LIMIT,
  stream: 64,
  streamBytes: 256 * 1024,
  link: 16_384,
  linkBytes: 4 * 1_024 * 1_024,
  answers: 1_024,
  answerBytes: 64 * 1_024 * 1_024,
  connections: 1_024,
  handoffs: 4,
  peek: 16_384,
})

export const DEFAULT_TIMEOUTS: Timeouts = Object.freeze({
  call: 5_000,
  ack: 5_000,
  idle: 60_000,
  ready: 30_000,
  heartbeat: 2_000,
  blocked: 30_000,
  settle: 2_000,
  peek: 10_000,
  waiting: 30_000,
  handoff: 30_000,
  drain: 10_000,
  kill: 5_000,
})
