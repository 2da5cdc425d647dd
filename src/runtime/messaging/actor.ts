import { toRecord } from '../../protocol/error-record.js'
import {
  CallAbortedError,
  type CallDetails,
  MailboxFullError,
  MethodKindError,
  NoSuchMethodError,
  type TroupeError,
  WorkerGoneError,
} from '../../protocol/errors.js'
import type {
  ChainLink,
  CreditFrame,
  FailureFrame,
  InvokeFrame,
  ItemsFrame,
  ProgressFrame,
  ResultFrame,
} from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import type { Clock } from '../clock.js'
import type { Limits } from '../limits.js'
import type { Logger } from '../logger.js'
import { type Answer, Answers } from './answers.js'
import { CallContext } from './call-context.js'
import { isKeyed, KeyedCalls, type KeyedFrame } from './keyed-calls.js'
import { type Letter, Mailbox } from './mailbox.js'
import type { RegisteredMethod } from './method-registry.js'
import { MethodRunner } from './method-runner.js'
import { Progress } from './progress.js'
import { StreamSenders } from './streams/stream-senders.js'

/** A chain of calls longer than this is taken for a loop. */
const MAX_CHAIN = 32
/** Node's timers fire that much before their time, ms: so does that of a call which has as long as the one that made it. */
const TIMER = 1
/** How many names a `NoSuchMethodError` lists. */
const KNOWN_METHODS = 20

export interface ActorOptions {
  readonly self: ProcessRef
  readonly methods: ReadonlyMap<string, RegisteredMethod>
  readonly concurrency: number
  readonly limits: Pick<Limits, 'mailbox' | 'payload' | 'answers' | 'answerBytes'>
  readonly clock: Clock
  readonly logger: Logger
  readonly reply: (frame: ResultFrame | FailureFrame) => void
  /** What streams yield. */
  readonly yield: (frame: ItemsFrame) => void
  /** What becomes of calls that take long. */
  readonly tell: (frame: ProgressFrame) => void
}

/** A call that was accepted and has not ended. */
interface Accepted {
  readonly frame: InvokeFrame
  readonly context: CallContext
  readonly letter: Letter
}

/**
 * This process's methods, as others see them: takes invocations, lets each run when it may, and answers each call exactly once
 * unless its caller has given it up.
 */
export class Actor {
  readonly #options: ActorOptions
  readonly #mailbox: Mailbox
  readonly #progress: Progress
  readonly #keyed: KeyedCalls
  readonly #streams: StreamSenders
  readonly #answers: Answers
  readonly #runner: MethodRunner
  /** The calls among the accepted ones, by route, so that a cancel finds them. */
  readonly #calls = new Map<number, Accepted>()
  #onIdle: (() => void)[] = []

  constructor(options: ActorOptions) {
    this.#options = options
    this.#mailbox = new Mailbox({
      limit: options.limits.mailbox,
      concurrency: options.concurrency,
      concurrencyOf: (method) => options.methods.get(method)?.options.concurrency ?? Number.POSITIVE_INFINITY,
    })
    this.#progress = new Progress({ clock: options.clock, mailbox: this.#mailbox, tell: options.tell })
    this.#keyed = new KeyedCalls(options.limits)
    this.#answers = new Answers({ ...options, payloadLimit: options.limits.payload })
    this.#streams = new StreamSenders({
      clock: options.clock,
      payloadLimit: options.limits.payload,
      send: options.yield,
    })
    this.#runner = new MethodRunner(this.#answers, this.#streams)
  }

  invoke(frame: InvokeFrame): void {
    const { methods, clock, self } = this.#options
    const method = methods.get(frame.method)
    if (!method)
      return this.#refuse(
        frame,
        new NoSuchMethodError({ ...this.#answers.nameOf(frame), known: [...methods.keys()].slice(0, KNOWN_METHODS) }),
      )
    if (method.isStream !== (frame.stream !== undefined)) {
      const kind = method.isStream ? 'stream' : 'plain'
      return this.#refuse(frame, new MethodKindError({ ...this.#answers.nameOf(frame), kind }))
    }
    const deadline = frame.deadline ?? Number.POSITIVE_INFINITY
    // Expired work is not started, and its caller needs no telling: its own deadline has the same time.
    if (clock.now() >= deadline) return
    const chain: readonly ChainLink[] = [...(frame.chain ?? []), [frame.route ?? 0, self.id, frame.method]]
    if (chain.length > MAX_CHAIN)
      return this.#refuse(frame, this.#answers.cycle(frame, chain, `the chain of calls is longer than ${MAX_CHAIN}`))

    if (isKeyed(frame) && !this.#isFirst(frame, chain)) return
    const context = new CallContext(
      { caller: frame.from, target: self.id, method: frame.method, deadline, chain },
      clock,
    )
    const accepted: Accepted = {
      frame,
      context,
      letter: {
        method: frame.method,
        route: frame.route,
        ancestors: (frame.chain ?? []).map(([route]) => route),
        start: () => void this.#run(accepted, method),
      },
    }
    if (frame.route !== undefined) {
      this.#calls.set(frame.route, accepted)
      this.#progress.accepted(frame.route, accepted.letter)
    }
    const admission = this.#mailbox.admit(accepted.letter)
    if (admission === 'started' || admission === 'queued') return
    if (frame.route !== undefined) this.#forget(frame.route)
    if (isKeyed(frame)) this.#keyed.settle(frame, undefined)
    this.#refuseAdmission(frame, chain, admission)
  }

  /**
   * Nobody waits for this call any more. One that has not started leaves; one that runs has its signal fired and keeps its
   * place until it settles, because a serial method that still runs must not run twice, and what runs must stay bounded.
   */
  cancel(route: number): void {
    if (this.#keyed.leave(route)) return
    const accepted = this.#calls.get(route)
    if (!accepted) return
    const { frame, context, letter } = accepted
    this.#forget(route)
    // Others with the same key wait for its answer.
    if (isKeyed(frame) && this.#keyed.isShared(frame)) return
    context.abort(new CallAbortedError(this.#answers.nameOf(frame)))
    const started = this.#mailbox.withdraw(letter)
    if (!started && isKeyed(frame)) this.#keyed.settle(frame, undefined)
    this.#checkIdle()
  }

  /** A reader has taken items. False when there is no such stream. */
  credit(frame: CreditFrame): boolean {
    return this.#streams.credit(frame)
  }

  /** The time to drain is over, `drained` ms: streams, which may go on for ever, end with an error that says why. */
  cut(drained: number): void {
    for (const [route, { frame }] of [...this.#calls]) {
      if (!frame.stream) continue
      const sent = this.#streams.has(route) ? 'yes' : 'no'
      const error = new WorkerGoneError({ ...this.#answers.nameOf(frame), ...this.#options.self, drained, sent })
      this.#options.reply({ kind: 'failure', id: route, error: toRecord(error) })
      this.cancel(route)
    }
  }

  /** Resolves when nothing is left that somebody waits for, or that is a cast. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve()
    return new Promise((resolve) => this.#onIdle.push(resolve))
  }

  async #run(accepted: Accepted, method: RegisteredMethod): Promise<void> {
    const { frame, context } = accepted
    if (frame.route !== undefined) this.#progress.started(frame.route)
    if (context.remaining === 0) return this.#end(accepted, undefined)
    this.#end(accepted, await this.#runner.run(frame, context, method))
  }

  /** The method has settled. Its answer is wanted unless the call was given up meanwhile. */
  #end(accepted: Accepted, answer: Answer): void {
    const { route } = accepted.frame
    accepted.context.settle()
    const wanted = route !== undefined && this.#calls.get(route) === accepted && !accepted.context.aborted
    if (wanted && answer) this.#options.reply(answer)
    if (route !== undefined && this.#calls.get(route) === accepted) this.#forget(route)
    this.#mailbox.release(accepted.letter)
    if (isKeyed(accepted.frame)) this.#answerShared(accepted.frame, accepted.context, answer)
    this.#checkIdle()
  }

  /** Of calls with the same method and key, the first runs; the others get its answer, now or when there is one. */
  #isFirst(frame: KeyedFrame, chain: readonly ChainLink[]): boolean {
    const arrival = this.#keyed.arrive(frame)
    if (arrival.kind === 'answered') this.#options.reply({ ...arrival.answer, id: frame.route })
    else if (arrival.kind === 'full' || arrival.kind === 'cycle') this.#refuseAdmission(frame, chain, arrival.kind)
    return arrival.kind === 'first'
  }

  /**
   * What was given up and failed for it, or never started, is no answer: whoever waits for one is the next to try. Nor is what
   * failed when its own time was over, which ends the calls that it made, too.
   */
  #answerShared(frame: KeyedFrame, { aborted, remaining }: CallContext, answer: Answer): void {
    const isFinal = answer && (answer.kind === 'result' || !(aborted || remaining < TIMER || neverStarted(answer)))
    for (const other of this.#keyed.settle(frame, isFinal ? answer : undefined)) {
      if (isFinal) this.#options.reply({ ...answer, id: other.route ?? 0 })
      else this.invoke(other)
    }
  }

  #forget(route: number): void {
    this.#calls.delete(route)
    this.#progress.ended(route)
  }

  #isIdle(): boolean {
    return this.#mailbox.size === this.#mailbox.abandoned
  }

  #checkIdle(): void {
    if (!this.#isIdle()) return
    const waiting = this.#onIdle
    this.#onIdle = []
    for (const resolve of waiting) resolve()
  }

  #refuse(frame: InvokeFrame, error: TroupeError): void {
    const answer = this.#answers.refusal(frame, error)
    if (answer) this.#options.reply(answer)
  }

  #refuseAdmission(frame: InvokeFrame, chain: readonly ChainLink[], why: 'full' | 'cycle'): void {
    if (why === 'cycle') return this.#refuse(frame, this.#answers.cycle(frame, chain, 'it would wait for itself'))
    const details = {
      limit: this.#options.limits.mailbox,
      queue: 'mailbox',
      abandoned: this.#mailbox.abandoned,
    } as const
    this.#refuse(frame, new MailboxFullError({ ...this.#answers.nameOf(frame), ...details }))
  }
}

/** Refused before the method ran, by its input schema for example. */
function neverStarted({ error }: FailureFrame): boolean {
  return (error.details as Partial<CallDetails>).sent === 'no'
}
