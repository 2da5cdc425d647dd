import type { Target } from '../../protocol/address.js'
import { fromRecord } from '../../protocol/error-record.js'
import {
  CallAbortedError,
  CallTimeoutError,
  ClusterClosedError,
  MailboxFullError,
  PayloadError,
  type TroupeError,
  WorkerUnavailableError,
} from '../../protocol/errors.js'
import type { CallFrame, FailureFrame, Payload, ResultFrame, WireTarget } from '../../protocol/frames.js'
import { decodePayload } from '../../protocol/payload.js'
import { AbortSignals } from '../abort-signals.js'
import type { Clock } from '../clock.js'
import type { Limits, Timeouts } from '../limits.js'
import { activeContext } from './call-context.js'
import { handOver, type MessagingLink } from './messaging-link.js'
import { type AtDeadline, Pending } from './pending.js'

/** A call as it is sent: everything checked, the arguments encoded, the deadline chosen. */
export interface CallRequest {
  readonly to: WireTarget
  readonly method: string
  readonly payload: Payload
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
}

export interface CallerOptions {
  readonly link: MessagingLink
  readonly clock: Clock
  readonly limits: Limits
  readonly timeouts: Timeouts
}

/** An error is made by whoever takes the answer, inside the caller's `await`, so that its stack is the caller's. */
type Answer = ResultFrame | FailureFrame | (() => TroupeError) | 'closed'

/** The calls that this process makes: sends each, and settles it by whatever comes first. */
export class Caller {
  readonly #options: CallerOptions
  readonly #pending: Pending<Answer>
  readonly #signals = new AbortSignals()
  #closed = false

  constructor(options: CallerOptions) {
    this.#options = options
    this.#pending = new Pending(options.clock)
  }

  /** How many have no answer yet. */
  get pending(): number {
    return this.#pending.size
  }

  async call(request: CallRequest): Promise<unknown> {
    const name = nameOf(request.to, request.method)
    this.#check(name)
    const { signal } = request
    if (signal?.aborted || activeContext()?.aborted) throw new CallAbortedError(name, { cause: signal?.reason })
    const answer = await this.#send(request, name)
    if (answer === 'closed') throw new ClusterClosedError({ ...name, sent: 'maybe' })
    if (typeof answer === 'function') throw answer()
    if (answer.kind === 'failure') throw fromRecord(answer.error)
    return decode(answer.payload, name)
  }

  async cast({ to, method, payload }: Pick<CallRequest, 'to' | 'method' | 'payload'>): Promise<void> {
    const { link, clock, timeouts } = this.#options
    const name = nameOf(to, method)
    this.#check(name)
    // No chain: nobody waits for a cast, so it cannot be part of a cycle.
    link.send({ kind: 'call', to, method, payload })
    await handOver(link.castFlushed(), clock, timeouts.call, name)
  }

  /** An answer from the router. False when nobody waits for it. */
  settle(frame: ResultFrame | FailureFrame): boolean {
    return this.#pending.settle(frame.id, frame)
  }

  /** The call waits in the primary for a worker that is starting, or does so no more. */
  hold(id: number, held: boolean): void {
    this.#pending.hold(id, held)
  }

  close(): void {
    this.#closed = true
    this.#pending.settleAll('closed')
  }

  #check(name: CallName): void {
    const { link, limits } = this.#options
    if (this.#closed) throw new ClusterClosedError(name)
    if (link.full) throw new MailboxFullError({ ...name, limit: limits.link, queue: 'link', sent: 'no' })
  }

  #send({ to, method, payload, timeout, signal }: CallRequest, name: CallName): Promise<Answer> {
    const { link, clock } = this.#options
    const context = activeContext()
    const sentAt = clock.now()
    const deadline = Math.min(sentAt + timeout, context?.deadline ?? Number.POSITIVE_INFINITY)
    return new Promise((resolve) => {
      const release: (() => void)[] = []
      const settle = (answer: Answer): void => {
        for (const undo of release) undo()
        resolve(answer)
      }
      const id = this.#pending.open(deadline, settle, (known) => {
        link.send({ kind: 'cancel', id })
        return () => this.#lateError(known, { ...name, timeout: deadline - sentAt })
      })
      link.send({ kind: 'call', id, to, method, payload, deadline, chain: context?.chain } satisfies CallFrame)
      const giveUp = (reason: unknown): void => {
        const aborted = (): TroupeError => new CallAbortedError({ ...name, sent: 'maybe' }, { cause: reason })
        if (this.#pending.settle(id, aborted)) link.send({ kind: 'cancel', id })
      }
      if (signal) release.push(this.#signals.on(signal, giveUp))
      if (context) release.push(context.onAbort(giveUp))
    })
  }

  /** A call that never left the primary's waiting room was certainly not started: another error, and safe to repeat. */
  #lateError({ heldSince }: AtDeadline, details: CallName & { timeout: number }): TroupeError {
    const { target, method } = details
    if (heldSince === undefined) return new CallTimeoutError({ ...details, sent: 'maybe', stage: { kind: 'unknown' } })
    const waited = Math.round(this.#options.clock.now() - heldSince)
    const reason = `the worker was starting, and was not ready within the call's deadline (the call waited ${waited} ms for it)`
    return new WorkerUnavailableError({ target, method, reason, sent: 'no' })
  }
}

interface CallName {
  readonly target: Target
  readonly method: string
}

export function nameOf(to: WireTarget, method: string): CallName {
  return { target: to === 0 ? 'primary' : to, method }
}

function decode(payload: Payload, name: CallName): unknown {
  try {
    return decodePayload(payload, 'result')
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error
    throw new PayloadError({ path: error.path, reason: error.reason, ...name, sent: 'yes' })
  }
}
