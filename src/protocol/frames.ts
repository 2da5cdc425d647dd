import type { ErrorRecord } from './error-record.js'
import type { Incarnation, ProcessRef, WorkerId } from './ids.js'
import type { MethodTable } from './method-table.js'

/**
 * The wire: every message that crosses a link, as one closed union. Data only; `codec.ts` checks what arrives.
 *
 * One `process.send` carries one `Batch`. Frames that go towards the router (`UpFrame`) and frames that come from it
 * (`DownFrame`) are different unions: the router lives in the primary, and the primary's own messaging talks to it in
 * the same frames as a worker does.
 *
 * Times are milliseconds of the machine's monotonic clock, which all processes of one machine share.
 */
export const PROTOCOL_VERSION = 1

/**
 * Node hands messages whose `cmd` begins with `NODE_` to `'internalMessage'` listeners alone. That is the property
 * wanted here: our frames never reach a user's `'message'` listener, and are not queued when there is none.
 */
export const BATCH_TAG = 'NODE_TROUPE'

export interface Batch<F> {
  readonly cmd: typeof BATCH_TAG
  readonly frames: readonly F[]
}

/**
 * An encoded value, read only by its final receiver. Inline where the primary is one end of the way; an opaque JSON text
 * of the same where the primary merely passes it on. Absent: `undefined`.
 */
export type Payload = InlinePayload | string | undefined

/** `plain` is the value itself, because JSON keeps it whole; `rich` is superjson's form, read only behind the guard. */
export type InlinePayload = { readonly plain: unknown } | { readonly rich: object }

/** One step of a call chain: the route of a call that is still waiting, and where it runs, for the message of a cycle. */
export type ChainLink = readonly [route: number, id: WorkerId, method: string]

/** Where a call goes, as it is written on the wire: a worker id, `'any'`, or 0 for the primary. */
export type WireTarget = WorkerId | 'any'

// ---------------------------------------------------------------------------------------------- calls

/** caller -> router: `{"kind":"call","id":7,"to":2,"method":"resize","payload":{"plain":["a.png",200]},"deadline":81234.5}`. */
export interface CallFrame {
  readonly kind: 'call'
  /** The caller's own number for it. Absent: a cast, nobody waits. */
  readonly id?: number | undefined
  readonly to: WireTarget
  readonly method: string
  readonly payload: Payload
  /** Absent in a cast, which has none. */
  readonly deadline?: number | undefined
  readonly chain?: readonly ChainLink[] | undefined
}

/** router -> target: the same, under the router's number, with the caller as the router knows it. */
export interface InvokeFrame {
  readonly kind: 'invoke'
  readonly route?: number | undefined
  readonly from: ProcessRef
  readonly method: string
  readonly payload: Payload
  /** Absent in a cast, which has none. */
  readonly deadline?: number | undefined
  readonly chain?: readonly ChainLink[] | undefined
}

/** target -> router -> caller: the method's value. `id` is the route on the way up, the caller's number on the way down. */
export interface ResultFrame {
  readonly kind: 'result'
  readonly id: number
  readonly payload: Payload
}

/** target -> router -> caller, or from the router itself: why there is no value. */
export interface FailureFrame {
  readonly kind: 'failure'
  readonly id: number
  readonly error: ErrorRecord
}

/** caller -> router (its own number) and router -> target (the route): nobody waits for this any more. */
export interface CancelFrame {
  readonly kind: 'cancel'
  readonly id: number
}

/** router -> caller: the call waits in the primary for a worker that is starting (`true`), or has left for it (`false`). */
export interface HeldFrame {
  readonly kind: 'held'
  readonly id: number
  readonly held: boolean
}

// ------------------------------------------------------------------------------------------- channels

/** subscriber -> router. `ref` asks for a `subscribed` with the same number. */
export interface SubscribeFrame {
  readonly kind: 'subscribe'
  readonly channel: string
  readonly ref: number
}

/** router -> subscriber: every publish routed from now on reaches you. */
export interface SubscribedFrame {
  readonly kind: 'subscribed'
  readonly ref: number
}

export interface UnsubscribeFrame {
  readonly kind: 'unsubscribe'
  readonly channel: string
}

/** publisher -> router. With `ref`, a `receipt` is due by the deadline. */
export interface PublishFrame {
  readonly kind: 'publish'
  readonly channel: string
  readonly payload: Payload
  /** False leaves the publisher's own process out. */
  readonly self: boolean
  readonly ref?: number | undefined
  readonly deadline?: number | undefined
}

/** router -> subscriber, once per process. With `receipt`, an `ack` is due when all handlers have settled. */
export interface MessageFrame {
  readonly kind: 'message'
  readonly channel: string
  readonly payload: Payload
  readonly receipt?: number | undefined
}

/** subscriber -> router: all handlers have settled, `error` says what the first failing one threw. */
export interface AckFrame {
  readonly kind: 'ack'
  readonly receipt: number
  readonly error?: ErrorRecord | undefined
}

/** router -> publisher: who acknowledged and who did not. */
export interface ReceiptFrame {
  readonly kind: 'receipt'
  readonly ref: number
  readonly acknowledged: readonly ProcessRef[]
  readonly failed: readonly (ProcessRef & { readonly error: ErrorRecord })[]
}

// ---------------------------------------------------------------------- a worker's life, worker -> primary

/** The preload has run: first frame of every worker. A worker that speaks another version is refused. */
export interface HelloFrame {
  readonly kind: 'hello'
  readonly version: number
  readonly incarnation: Incarnation
}

/** `joinCluster` was called; answered by `welcome`. */
export interface JoinFrame {
  readonly kind: 'join'
  readonly methods: MethodTable
}

/** One turn after `joinCluster` resolved (`join`), or `cluster.ready()` was called (`manual`). */
export interface ReadyFrame {
  readonly kind: 'ready'
  readonly cause: 'join' | 'manual'
}

/** Where its servers listen now, as they asked for it (port 0 stays 0). Sent whenever that changes. */
export interface ListensFrame {
  readonly kind: 'listens'
  readonly addresses: readonly ListenAddress[]
}

export interface ListenAddress {
  /** Undefined or null: all interfaces. A path for a unix socket. */
  readonly address?: string | null | undefined
  readonly port?: number | null | undefined
  /** 4, 6, -1 for a unix socket, 'udp4' or 'udp6', as node's `listening` event says. */
  readonly addressType?: number | string | undefined
}

/** How many connections are open. Sent when it changes, at most once per `LOAD_INTERVAL`. */
export interface LoadFrame {
  readonly kind: 'load'
  readonly connections: number
}

/** The answer to `drain`: all connections are closed, `cut` of them by force. */
export interface DrainedFrame {
  readonly kind: 'drained'
  readonly cut: number
}

/** The answer to `release`: no method runs any more; SIGTERM will end the process. */
export interface ReleasedFrame {
  readonly kind: 'released'
}

// ---------------------------------------------------------------------- a worker's life, primary -> worker

/** The answer to `join`: who is there, and what the primary itself can be asked. */
export interface WelcomeFrame {
  readonly kind: 'welcome'
  readonly members: readonly Omit<MemberFrame, 'kind'>[]
  readonly primary: MethodTable
}

/** A process of the cluster as others see it. */
export interface MemberRecord extends ProcessRef {
  readonly pid: number
  readonly state: WorkerState
  /** Does the id mean this incarnation? False for one that drains while its replacement already serves. */
  readonly current: boolean
  readonly calls: number
  readonly connections: number
  readonly methods: MethodTable
}

export type WorkerState = 'starting' | 'ready' | 'draining' | 'failed' | 'stopped'

/** A process or its slot changed. `gone`: the process lives no more. `removed`: the slot is no more. */
export interface MemberFrame {
  readonly kind: 'member'
  readonly member: MemberRecord
  readonly gone: boolean
  readonly removed: boolean
}

/** Something happened in the cluster; `name` and `detail` are an event of `ClusterEvents`. */
export interface EventFrame {
  readonly kind: 'event'
  readonly name: string
  readonly detail: object
}

/** Close your connections by the deadline: all at once in a stop, idle ones left to their timeout in a reload. */
export interface DrainFrame {
  readonly kind: 'drain'
  readonly mode: 'stop' | 'reload'
  readonly deadline: number
}

/** Finish the methods that run, by the deadline, then say `released`. */
export interface ReleaseFrame {
  readonly kind: 'release'
  readonly deadline: number
}

// --------------------------------------------------------------------------------------------- unions

export type MessagingUpFrame =
  | CallFrame
  | ResultFrame
  | FailureFrame
  | CancelFrame
  | SubscribeFrame
  | UnsubscribeFrame
  | PublishFrame
  | AckFrame

export type MessagingDownFrame =
  | InvokeFrame
  | ResultFrame
  | FailureFrame
  | CancelFrame
  | HeldFrame
  | SubscribedFrame
  | MessageFrame
  | ReceiptFrame

export type LifeUpFrame = HelloFrame | JoinFrame | ReadyFrame | ListensFrame | LoadFrame | DrainedFrame | ReleasedFrame
export type LifeDownFrame = WelcomeFrame | MemberFrame | EventFrame | DrainFrame | ReleaseFrame

export type UpFrame = MessagingUpFrame | LifeUpFrame
export type DownFrame = MessagingDownFrame | LifeDownFrame
