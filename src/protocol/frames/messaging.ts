import type { Overflow } from '../contract.js'
import type { ErrorRecord } from '../error-record.js'
import type { CallStage } from '../errors.js'
import type { Incarnation, ProcessRef, WorkerId } from '../ids.js'
import type { ItemPayload, Payload } from '../payload-forms.js'

export type { Payload } from '../payload-forms.js'

// Calls, streams and channels, between whoever calls, publishes or hears, and the router.

/** One step of a call chain: the route of a call that is still waiting, and where it runs, for the message of a cycle. */
export type ChainLink = readonly [route: number, id: WorkerId, method: string]

/** Where a call goes, as it is written on the wire: a worker id, `'any'`, or 0 for the primary. */
export type WireTarget = WorkerId | 'any'

// ---------------------------------------------------------------------------------------------- calls

/** caller -> router, as a list (`compact.ts`): `["call",7,2,"resize","{\"plain\":[\"a.png\",200]}",81234]`. */
export interface CallFrame {
  readonly kind: 'call'
  /** The caller's own number for it. Absent: a cast, nobody waits. */
  readonly id?: number | undefined
  /** Of a cast that a worker makes: how much it has cast to there, this one included, in characters. Names it in the two below. */
  readonly cast?: number | undefined
  readonly to: WireTarget
  readonly method: string
  readonly payload: Payload
  /** Absent in a cast, which has none, and in a stream that may go on for ever. */
  readonly deadline?: number | undefined
  readonly chain?: readonly ChainLink[] | undefined
  /** Calls of one method with the same key are carried out once by a process, and all get that answer. */
  readonly key?: string | undefined
  /** The caller reads a stream, and has room for that much of it. */
  readonly stream?: StreamRoom | undefined
  /** It was sent over a direct link before, to a process that has died: how. It is not sent a third time. */
  readonly lost?: ErrorRecord | undefined
}

/** router -> target: the same, under the router's number, with the caller as the router knows it. */
export interface InvokeFrame {
  readonly kind: 'invoke'
  readonly route?: number | undefined
  readonly from: ProcessRef
  readonly method: string
  readonly payload: Payload
  /** Absent in a cast, which has none, and in a stream that may go on for ever. */
  readonly deadline?: number | undefined
  readonly chain?: readonly ChainLink[] | undefined
  readonly key?: string | undefined
  readonly stream?: StreamRoom | undefined
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

/** target -> router -> caller: where calls are that take long. `id` is the route on the way up, the caller's number on the way down. */
export interface ProgressFrame {
  readonly kind: 'progress'
  /** When that was so. */
  readonly at: number
  /** How late the target's event loop was, ms. */
  readonly lag: number
  readonly calls: readonly { readonly id: number; readonly stage: CallStage }[]
}

/** router -> caller: the call waits in the primary for a worker that is starting (`true`), or has left for it (`false`). */
export interface HeldFrame {
  readonly kind: 'held'
  readonly id: number
  readonly held: boolean
}

/** router -> caller: all of its casts to there up to that one have been passed on, but those of which `dropped` says otherwise. */
export interface PassedFrame {
  readonly kind: 'passed'
  readonly to: WireTarget
  readonly cast: number
  /** They wait for a worker that is starting, as no more than `limits.waiting` may: there will be word of each. */
  readonly held?: boolean | undefined
}

/** router -> caller: that cast of it was not passed on. */
export interface DroppedFrame {
  readonly kind: 'dropped'
  readonly to: WireTarget
  readonly cast: number
  readonly error: ErrorRecord
}

// -------------------------------------------------------------------------------------------- streams

/** How much of a stream may be on its way: sent, and not taken by its reader. `bytes` are characters of encoded items. */
export interface StreamRoom {
  readonly items: number
  readonly bytes: number
}

/**
 * target -> router -> caller: the next items of a stream, the first of them number `first`, counted from 0. `id` as in a result,
 * which is also how a stream ends: its generator returned.
 */
export interface ItemsFrame {
  readonly kind: 'items'
  readonly id: number
  readonly first: number
  readonly items: readonly ItemPayload[]
}

/** caller -> router -> target: the reader has taken that much since the stream began, so that as much more may follow. */
export interface CreditFrame {
  readonly kind: 'credit'
  readonly id: number
  readonly items: number
  readonly bytes: number
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

/** router -> subscriber: it did not keep up with that channel, and gets nothing of it any more. */
export interface UnsubscribedFrame {
  readonly kind: 'unsubscribed'
  readonly channel: string
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
  /** For processes that do not keep up; without it `drop-newest`. */
  readonly overflow?: Overflow | undefined
  readonly ref?: number | undefined
  readonly deadline?: number | undefined
}

/** router -> subscriber, once per process. With `receipt`, an `ack` is due when all handlers have settled. */
export interface MessageFrame {
  readonly kind: 'message'
  readonly channel: string
  readonly payload: Payload
  readonly receipt?: number | undefined
  /** Who published it, for whoever has a direct link to it. */
  readonly from?: Incarnation | undefined
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

// -------------------------------------------------------------------------------------------- fences

/**
 * Sent by the primary (where `peer` is whom it is for, and then who sent it) and on a direct link, by whoever changes from one
 * of the two ways to the other. What comes after it on either way is not read before it has come on both.
 */
export interface FenceFrame {
  readonly kind: 'fence'
  readonly peer: Incarnation
  /** Counts the fences of this sender on this link. */
  readonly n: number
}

// --------------------------------------------------------------------------------------------- unions

export type MessagingUpFrame =
  | CallFrame
  | ResultFrame
  | FailureFrame
  | CancelFrame
  | ProgressFrame
  | ItemsFrame
  | CreditFrame
  | SubscribeFrame
  | UnsubscribeFrame
  | PublishFrame
  | AckFrame

export type MessagingDownFrame =
  | InvokeFrame
  | ResultFrame
  | FailureFrame
  | CancelFrame
  | ProgressFrame
  | ItemsFrame
  | CreditFrame
  | HeldFrame
  | PassedFrame
  | DroppedFrame
  | SubscribedFrame
  | UnsubscribedFrame
  | MessageFrame
  | ReceiptFrame
  | FenceFrame
