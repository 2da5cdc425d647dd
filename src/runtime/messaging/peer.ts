import type { Target } from '../../protocol/address.js'
import { fromRecord } from '../../protocol/error-record.js'
import {
  CallAbortedError,
  type CallDetails,
  CallTimeoutError,
  ClusterClosedError,
  MailboxFullError,
  PayloadError,
  TroupeError,
  WorkerUnavailableError,
} from '../../protocol/errors.js'
import type {
  CallFrame,
  FailureFrame,
  MessagingDownFrame,
  MessagingUpFrame,
  Payload,
  PublishFrame,
  ReceiptFrame,
  ResultFrame,
  WireTarget,
} from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import { decodePayload, encodePayload } from '../../protocol/payload.js'
import type { Clock } from '../clock.js'
import type { Limits, Timeouts } from '../limits.js'
import type { Logger } from '../logger.js'
import { Actor } from './actor.js'
import { acknowledgementOf } from './broadcast.js'
import { activeContext } from './call-context.js'
import type { RegisteredMethod } from './method-registry.js'
import { type AtDeadline, Pending } from './pending.js'
import { Subscriptions } from './subscriptions.js'

/** The way to the router, as this process's messaging uses it. */
export interface MessagingLink {
  send(frame: MessagingUpFrame): void
  /** Would data to there have to wait beyond the link's limit? */
  full(to?: WireTarget): boolean
  flushed(to?: WireTarget): Promise<void>
}

export interface PeerOptions {
  readonly self: ProcessRef
  readonly link: MessagingLink
  readonly methods: ReadonlyMap<string, RegisteredMethod>
  /** Methods that run at once in this process. */
  readonly concurrency: number
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly clock: Clock
  readonly logger: Logger
}

/** A call as the peer takes it: everything checked, the deadline chosen. */
export interface CallRequest {
  readonly to: WireTarget
  readonly method: string
  readonly payload: Payload
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
}

type CallAnswer = ResultFrame | FailureFrame | TroupeError
type PublishAnswer = ReceiptFrame | TroupeError

/** How much later than the router a publisher gives up by itself: only a primary that does not run at all is that late. */
const RECEIPT_GRACE = 1_000

/** One process's end of the messaging: its pending calls, its methods, its subscriptions, over one link to the router. */
export class Peer {
  readonly subscriptions: Subscriptions
  readonly actor: Actor
  readonly #options: PeerOptions
  readonly #calls: Pending<CallAnswer>
  readonly #receipts: Pending<PublishAnswer>
  #closed = false
  /** Frames that nobody here was waiting for: late, doubled, or from nowhere. */
  dropped = 0

  constructor(options: PeerOptions) {
    this.#options = options
    const { self, link, clock, logger, limits } = options
    const send = (frame: MessagingUpFrame): void => link.send(frame)
    this.#calls = new Pending(clock)
    this.#receipts = new Pending(clock)
    this.subscriptions = new Subscriptions({ self, logger, send })
    this.actor = new Actor({
      self,
      methods: options.methods,
      concurrency: options.concurrency,
      mailboxLimit: limits.mailbox,
      payloadLimit: limits.payload,
      clock,
      logger,
      reply: send,
    })
  }

  /** Encodes what is sent to there: inline where the primary is one end of the way, opaque where it passes it on. */
  encode(value: unknown, to: WireTarget, root: string, method: string): Payload {
    return this.#encode(value, to !== 0 && this.#options.self.id !== 0, root, nameOf(to, method))
  }

  /** A value for a channel: always opaque, so that it is encoded once however many processes it goes to. */
  encodeForAll(value: unknown, method: string): Payload {
    return this.#encode(value, true, 'value', { method })
  }

  async call(request: CallRequest): Promise<unknown> {
    const answer = await this.#request(request)
    // Errors are made here, on the way back into the caller's `await`, so that their stack is the caller's.
    if (answer instanceof TroupeError) throw answer
    if (answer.kind === 'failure') throw fromRecord(answer.error)
    return decodePayload(answer.payload, 'result')
  }

  async cast({ to, method, payload }: Pick<CallRequest, 'to' | 'method' | 'payload'>): Promise<void> {
    const { link, limits } = this.#options
    if (this.#closed) throw new ClusterClosedError(nameOf(to, method))
    if (link.full(to))
      throw new MailboxFullError({ ...nameOf(to, method), limit: limits.link, queue: 'link', sent: 'no' })
    link.send({ kind: 'call', to, method, payload, chain: activeContext()?.chain })
    await this.#handOver(nameOf(to, method), to)
  }

  async publish(channel: string, payload: Payload, self: boolean): Promise<void> {
    const { link } = this.#options
    this.#checkOpen(channel)
    link.send({ kind: 'publish', channel, payload, self })
    await this.#handOver({ target: 'primary', method: `publish to ${channel}` })
  }

  async publishAndConfirm(channel: string, payload: Payload, self: boolean, timeout: number): Promise<ReceiptFrame> {
    const { link, clock } = this.#options
    this.#checkOpen(channel)
    const deadline = clock.now() + timeout
    const answer = await new Promise<PublishAnswer>((settle) => {
      const method = acknowledgementOf(channel)
      const late = (): TroupeError =>
        new CallTimeoutError({ target: 'primary', method, timeout, sent: 'maybe', stage: { kind: 'unknown' } })
      const ref = this.#receipts.open(deadline + RECEIPT_GRACE, settle, late)
      link.send({ kind: 'publish', channel, payload, self, ref, deadline } satisfies PublishFrame)
    })
    if (answer instanceof TroupeError) throw answer
    return answer
  }

  /** A frame from the router. */
  receive(frame: MessagingDownFrame): void {
    switch (frame.kind) {
      case 'invoke':
        return this.actor.invoke(frame)
      case 'cancel':
        return this.actor.cancel(frame.id)
      case 'message':
        return this.subscriptions.dispatch(frame)
      case 'held':
        return this.#calls.hold(frame.id, frame.held)
      case 'result':
      case 'failure':
        return this.#expected(this.#calls.settle(frame.id, frame))
      case 'receipt':
        return this.#expected(this.#receipts.settle(frame.ref, frame))
      case 'subscribed':
        return this.#expected(this.subscriptions.confirm(frame.ref))
    }
  }

  /** The link has ended: nothing that waits will be answered, and nothing new is taken. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#calls.settleAll(new ClusterClosedError({ sent: 'maybe' }))
    this.#receipts.settleAll(new ClusterClosedError({ method: 'publish', sent: 'maybe' }))
  }

  #request({ to, method, payload, timeout, signal }: CallRequest): Promise<CallAnswer> {
    const { link, clock, limits } = this.#options
    const name = nameOf(to, method)
    if (this.#closed) return Promise.resolve(new ClusterClosedError(name))
    if (link.full(to))
      return Promise.resolve(new MailboxFullError({ ...name, limit: limits.link, queue: 'link', sent: 'no' }))
    const context = activeContext()
    if (signal?.aborted || context?.aborted)
      return Promise.resolve(new CallAbortedError(name, { cause: signal?.reason }))
    const deadline = Math.min(clock.now() + timeout, context?.deadline ?? Number.POSITIVE_INFINITY)
    return new Promise((resolve) => {
      const release: (() => void)[] = []
      const settle = (answer: CallAnswer): void => {
        for (const undo of release) undo()
        resolve(answer)
      }
      const id = this.#calls.open(deadline, settle, (known) => {
        link.send({ kind: 'cancel', id })
        return this.#atDeadline(known, { ...name, timeout: deadline - sentAt })
      })
      const sentAt = clock.now()
      link.send({ kind: 'call', id, to, method, payload, deadline, chain: context?.chain } satisfies CallFrame)
      const giveUp = (reason: unknown): void => {
        if (this.#calls.settle(id, new CallAbortedError({ ...name, sent: 'maybe' }, { cause: reason })))
          link.send({ kind: 'cancel', id })
      }
      if (signal) release.push(onAbort(signal, giveUp))
      if (context) release.push(context.onAbort(giveUp))
    })
  }

  #encode(value: unknown, opaque: boolean, root: string, name: CallDetails): Payload {
    try {
      return encodePayload(value, { opaque, limit: this.#options.limits.payload, root })
    } catch (error) {
      if (!(error instanceof PayloadError)) throw error
      throw new PayloadError({ path: error.path, reason: error.reason, ...name, sent: 'no' })
    }
  }

  /** Waits until the link has taken what was sent, and not for ever: a process that is stopped takes nothing. */
  #handOver(name: CallDetails, to?: WireTarget): Promise<void> {
    const { link, clock, timeouts } = this.#options
    return new Promise((resolve, reject) => {
      const timeout = timeouts.call
      const timer = clock.after(timeout, () =>
        reject(new CallTimeoutError({ ...name, timeout, sent: 'maybe', stage: { kind: 'unknown' } })),
      )
      void link.flushed(to).then(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  /** A call that never left the primary's waiting room was certainly not started: that is another error, and safe to repeat. */
  #atDeadline({ heldSince }: AtDeadline, details: { target: Target; method: string; timeout: number }): TroupeError {
    if (heldSince === undefined) return new CallTimeoutError({ ...details, sent: 'maybe', stage: { kind: 'unknown' } })
    const waited = Math.round(this.#options.clock.now() - heldSince)
    return new WorkerUnavailableError({
      target: details.target,
      method: details.method,
      sent: 'no',
      reason: `the worker was starting, and was not ready within the call's deadline (the call waited ${waited} ms for it)`,
    })
  }

  #checkOpen(channel: string): void {
    const { link, limits } = this.#options
    const name = { method: `publish to ${channel}`, sent: 'no' as const }
    if (this.#closed) throw new ClusterClosedError(name)
    if (link.full()) throw new MailboxFullError({ ...name, target: 'primary', limit: limits.link, queue: 'link' })
  }

  #expected(found: boolean): void {
    if (!found) this.dropped++
  }
}

function onAbort(signal: AbortSignal, giveUp: (reason: unknown) => void): () => void {
  const listener = (): void => giveUp(signal.reason)
  signal.addEventListener('abort', listener, { once: true })
  return () => signal.removeEventListener('abort', listener)
}

function nameOf(to: WireTarget, method: string): { target: Target; method: string } {
  return { target: to === 0 ? 'primary' : to, method }
}
