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
import { type Clock, deadlineOf, nextTurn } from '../clock.js'
import { deferred } from '../deferred.js'
import type { Limits, Timeouts } from '../limits.js'
import { withoutOwnFrames } from '../own-frames.js'
import { type AbortListener, activeContext, type CallContext, givenUpBy } from './call-context.js'
import type { CallEvidence } from './call-evidence.js'
import { type CallName, nameOf } from './call-name.js'
import type { MessagingLink } from './messaging-link.js'
import { Pending, Request } from './pending.js'

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
  readonly #ends: CallEnds = {
    expire: (call) => this.#expire(call),
    giveUp: (call, reason) => this.#giveUp(call, reason),
    forget: (id) => this.#options.evidence.forget(id),
  }
  #closed = false

  constructor(options: CallerOptions) {
    this.#options = options
    this.#pending = new Pending(options.clock)
  }

  /** How many have no answer yet. */
  get pending(): number {
    return this.#pending.size
  }

  /** Throws what can be told at once. */
  call(request: CallRequest): Promise<unknown> {
    const { to, method, payload, timeout, signal, idempotencyKey: key } = request
    const { link, clock } = this.#options
    this.#check(to, method)
    const context = activeContext()
    const givenUp = givenUpBy(signal, context)
    if (givenUp) throw new CallAbortedError(nameOf(to, method), { cause: givenUp.reason })
    const sentAt = clock.now()
    const due = deadlineOf(sentAt, timeout)
    const deadline = context ? Math.min(due, context.deadline) : due
    const call = new OutgoingCall(
      request,
      { deadline, timeout: deadline === due ? timeout : deadline - sentAt },
      this.#ends,
    )
    this.#pending.open(deadline, call)
    const { id } = call
    link.send({ kind: 'call', id, to, method, payload, deadline, chain: context?.chain, key } satisfies CallFrame)
    if (signal) call.offSignal = this.#signals.on(signal, (reason) => call.aborted(reason))
    if (context) call.belongTo(context)
    return call.answered
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

  #check(to: WireTarget, method: string): void {
    const { link, limits } = this.#options
    if (this.#closed) throw new ClusterClosedError(nameOf(to, method))
    if (link.isFull(to))
      throw new MailboxFullError({ ...nameOf(to, method), limit: limits.link, queue: 'link', sent: 'no' })
  }

  #giveUp({ id, name }: OutgoingCall, reason: unknown): void {
    const aborted = (): TroupeError => new CallAbortedError({ ...name, sent: 'maybe' }, { cause: reason })
    if (this.#pending.settle(id, aborted)) this.#options.link.send({ kind: 'cancel', id })
  }

  /** When it seems to wait in the primary still, what has arrived meanwhile is read first: it may have been sent long since. */
  #expire({ id, name, timeout, deadline: due }: OutgoingCall): void {
    const { link, evidence, clock } = this.#options
    const expire = (): void => {
      if (!this.#pending.has(id)) return
      link.send({ kind: 'cancel', id })
      this.#pending.settle(id, evidence.lateError(id, { name, timeout, due }))
    }
    if (evidence.isHeld(id)) nextTurn(clock, expire)
    else expire()
  }
}

/** What becomes of a call that has no answer, and what is forgotten of one that has. */
interface CallEnds {
  expire(call: OutgoingCall): void
  giveUp(call: OutgoingCall, reason: unknown): void
  forget(id: number): void
}

/** A call that has been sent, and its answer when there is one. */
class OutgoingCall extends Request<Answer> implements AbortListener {
  /** Rejects with an error that is made for whoever awaits it. */
  readonly answered: Promise<unknown>
  readonly deadline: number
  /** Milliseconds from when it was sent. */
  readonly timeout: number
  /** What takes back that its signal gives it up. */
  offSignal: (() => void) | undefined
  #context: CallContext | undefined
  #registration = 0
  readonly #to: WireTarget
  readonly #method: string
  readonly #ends: CallEnds
  readonly #resolve: (value: unknown) => void

  constructor(
    { to, method }: CallRequest,
    { deadline, timeout }: { readonly deadline: number; readonly timeout: number },
    ends: CallEnds,
  ) {
    super()
    this.#to = to
    this.#method = method
    this.deadline = deadline
    this.timeout = timeout
    this.#ends = ends
    const { promise, resolve } = deferred<unknown>()
    this.answered = promise
    this.#resolve = resolve
  }

  get name(): CallName {
    return nameOf(this.#to, this.#method)
  }

  /** It is given up when the running call is that makes it. */
  belongTo(context: CallContext): void {
    this.#context = context
    this.#registration = context.onAbort(this)
  }

  settle(answer: Answer): void {
    this.offSignal?.()
    this.#context?.offAbort(this.#registration)
    this.#ends.forget(this.id)
    if (typeof answer === 'object' && answer.kind === 'result') this.#arrive(answer.payload)
    else this.#fail(() => errorOf(answer, this.name))
  }

  due(): void {
    this.#ends.expire(this)
  }

  aborted(reason: unknown): void {
    this.#ends.giveUp(this, reason)
  }

  #arrive(payload: Payload): void {
    try {
      this.#resolve(decodePayload(payload, 'result'))
    } catch (error) {
      this.#fail(() => asUnreadable(error, this.name))
    }
  }

  /** `answered` has to follow the promise that fails before it does: V8 then finds whoever awaits, and the stack is theirs. */
  #fail(make: () => unknown): void {
    const { promise: followed, resolve: go } = deferred()
    this.#resolve(
      followed.then(() => {
        throw withoutOwnFrames(make())
      }),
    )
    go()
  }
}

function errorOf(answer: Exclude<Answer, ResultFrame>, name: CallName): unknown {
  if (answer === 'closed') return new ClusterClosedError({ ...name, sent: 'maybe' })
  return typeof answer === 'function' ? answer() : toCallerError(answer.error)
}

function asUnreadable(error: unknown, name: CallName): unknown {
  if (!(error instanceof PayloadError)) return error
  return new PayloadError({ path: error.path, reason: error.reason, ...name, sent: 'yes' })
}
