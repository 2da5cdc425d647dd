import { toCallerError } from '../../protocol/declared-errors.js'
import {
  CallAbortedError,
  ClusterClosedError,
  MailboxFullError,
  PayloadError,
  type TroupeError,
} from '../../protocol/errors.js'
import type { CallFrame, FailureFrame, Payload, ResultFrame, WireTarget } from '../../protocol/frames.js'
import { decodePayload } from '../../protocol/payload.js'
import { AbortSignals } from '../abort-signals.js'
import { type Clock, nextTurn } from '../clock.js'
import type { Limits, Timeouts } from '../limits.js'
import { activeContext, givenUpBy } from './call-context.js'
import type { CallEvidence, Late } from './call-evidence.js'
import { type CallName, nameOf } from './call-name.js'
import type { MessagingLink } from './messaging-link.js'
import { Pending } from './pending.js'

/** A call as it is sent: everything checked, the arguments encoded, the deadline chosen. */
export interface CallRequest {
  readonly to: WireTarget
  readonly method: string
  readonly payload: Payload
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
  readonly idempotencyKey?: string | undefined
}

/** What everything needs that a process sends. */
export interface SendingOptions {
  readonly link: MessagingLink
  readonly clock: Clock
  readonly limits: Limits
  readonly timeouts: Timeouts
}

export interface CallerOptions extends SendingOptions {
  readonly evidence: CallEvidence
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
    const givenUp = givenUpBy(signal)
    if (givenUp) throw new CallAbortedError(name, { cause: givenUp.reason })
    const answer = await this.#send(request, name)
    if (answer === 'closed') throw new ClusterClosedError({ ...name, sent: 'maybe' })
    if (typeof answer === 'function') throw answer()
    if (answer.kind === 'failure') throw toCallerError(answer.error)
    return decode(answer.payload, name)
  }

  /** For requests that others keep: no call of this process has the same number. */
  nextId(): number {
    return this.#pending.nextId()
  }

  isOpen(id: number): boolean {
    return this.#pending.has(id)
  }

  /** An answer from the router. False when nobody waits for it. */
  settle(frame: ResultFrame | FailureFrame): boolean {
    return this.#pending.settle(frame.id, frame)
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

  #send({ to, method, payload, timeout, signal, idempotencyKey: key }: CallRequest, name: CallName): Promise<Answer> {
    const { link, clock, evidence } = this.#options
    const context = activeContext()
    const sentAt = clock.now()
    const deadline = Math.min(sentAt + timeout, context?.deadline ?? Number.POSITIVE_INFINITY)
    return new Promise((resolve) => {
      const release: (() => void)[] = []
      const settle = (answer: Answer): void => {
        for (const undo of release) undo()
        evidence.forget(id)
        resolve(answer)
      }
      const id = this.#pending.open(deadline, settle, (late) =>
        this.#expire(late, { name, timeout: deadline - sentAt, due: deadline }),
      )
      link.send({ kind: 'call', id, to, method, payload, deadline, chain: context?.chain, key } satisfies CallFrame)
      const giveUp = (reason: unknown): void => {
        const aborted = (): TroupeError => new CallAbortedError({ ...name, sent: 'maybe' }, { cause: reason })
        if (this.#pending.settle(id, aborted)) link.send({ kind: 'cancel', id })
      }
      if (signal) release.push(this.#signals.on(signal, giveUp))
      if (context) release.push(context.onAbort(giveUp))
    })
  }

  /** When it seems to wait in the primary still, what has arrived meanwhile is read first: it may have been sent long since. */
  #expire(id: number, late: Late): void {
    const expire = (): void => {
      if (!this.#pending.has(id)) return
      this.#options.link.send({ kind: 'cancel', id })
      this.#pending.settle(id, this.#options.evidence.lateError(id, late))
    }
    if (this.#options.evidence.isHeld(id)) nextTurn(this.#options.clock, expire)
    else expire()
  }
}

function decode(payload: Payload, name: CallName): unknown {
  try {
    return decodePayload(payload, 'result')
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error
    throw new PayloadError({ path: error.path, reason: error.reason, ...name, sent: 'yes' })
  }
}
