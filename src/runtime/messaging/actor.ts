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
import { Numbered } from '../numbered.js'
import { AcceptedCall } from './accepted-call.js'
import { type Answer, Answers } from './answers.js'
import type { CallContext } from './call-context.js'
import { isKeyed, KeyedCalls, type KeyedFrame } from './keyed-calls.js'
import { Mailbox } from './mailbox.js'
import type { RegisteredMethod } from './method-registry.js'
import { MethodRunner } from './method-runner.js'
import { Progress } from './progress.js'
import { StreamSenders } from './streams/stream-senders.js'

/** A chain of calls longer than this is taken for a loop. */
const MAX_CHAIN = 32
/** Node's timers, which a method may set for what it has left, fire that much before their time, ms. */
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
  readonly #calls = new Numbered<AcceptedCall>()
  #onIdle: (() => void)[] = []

  constructor(options: ActorOptions) {
    this.#options = options
    this.#mailbox = new Mailbox({
      limit: options.limits.mailbox,
      concurrency: options.concurrency,
      concurrencyOf: (method) => options.methods.get(method)?.options.concurrency ?? Number.POSITIVE_INFINITY,
    })
    this.#progress = new Progress({
      clock: options.clock,
      mailbox: this.#mailbox,
      calls: this.#calls,
      tell: options.tell,
    })
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
    // Expired work is not started, and its caller needs no telling: its own deadline has the same time.
    const now = clock.now()
    if (now >= (frame.deadline ?? Number.POSITIVE_INFINITY)) return
    const call = new AcceptedCall(frame, method, self.id, clock, now, this.#run)
    if ((frame.chain?.length ?? 0) >= MAX_CHAIN) {
      const reason = `the chain of calls is longer than ${MAX_CHAIN}`
      return this.#refuse(frame, this.#answers.cycle(frame, call.chain, reason))
    }
    if (isKeyed(frame) && !this.#isFirst(frame, call)) return
    if (frame.route !== undefined) {
      this.#calls.set(frame.route, call)
      this.#progress.accepted(call)
    }
    const admission = this.#mailbox.admit(call)
    if (admission === 'started') return
    if (admission === 'queued') {
      call.hasWaited = true
      return
    }
    if (frame.route !== undefined) this.#calls.delete(frame.route)
    if (isKeyed(frame)) this.#keyed.settle(frame, undefined)
    this.#refuseAdmission(call, admission)
  }

  /**
   * Nobody waits for this call any more. One that has not started leaves; one that runs has its signal fired and keeps its
   * place until it settles, because a serial method that still runs must not run twice, and what runs must stay bounded.
   */
  cancel(route: number): void {
    if (this.#keyed.leave(route)) return
    const call = this.#calls.delete(route)
    if (!call) return
    const { frame, context } = call
    // Others with the same key wait for its answer.
    if (isKeyed(frame) && this.#keyed.isShared(frame)) return
    context.abort(new CallAbortedError(this.#answers.nameOf(frame)))
    const started = this.#mailbox.withdraw(call)
    if (!started && isKeyed(frame)) this.#keyed.settle(frame, undefined)
    this.#checkIdle()
  }

  /** A reader has taken items. False when there is no such stream. */
  credit(frame: CreditFrame): boolean {
    return this.#streams.credit(frame)
  }

  /** The time to drain is over, `drained` ms: streams, which may go on for ever, end with an error that says why. */
  cut(drained: number): void {
    for (const [route, { frame }] of this.#calls.entries()) {
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

  /** Its turn has come, which for nearly all is when they come. */
  readonly #run = (call: AcceptedCall): void => {
    const { frame, context, registered } = call
    call.startedAt = call.hasWaited ? this.#options.clock.now() : call.acceptedAt
    if (call.startedAt >= call.deadline) return this.#end(call, undefined)
    const answer = this.#runner.run(frame, context, registered)
    // A method that gives its value at once is answered at once.
    if (!(answer instanceof Promise)) return this.#end(call, answer)
    answer.then(
      (settled) => this.#end(call, settled),
      (error: unknown) => this.#end(call, this.#answers.thrown(frame, error)),
    )
  }

  /** The method has settled. Its answer is wanted unless the call was given up meanwhile. */
  #end(call: AcceptedCall, answer: Answer): void {
    const { frame, context } = call
    const { route } = frame
    context.settle()
    if (route !== undefined && this.#calls.get(route) === call) {
      this.#calls.delete(route)
      if (answer && !context.aborted) this.#options.reply(answer)
    }
    this.#mailbox.release(call)
    if (isKeyed(frame)) this.#answerShared(frame, context, answer)
    if (this.#onIdle.length > 0) this.#checkIdle()
  }

  /** Of calls with the same method and key, the first runs; the others get its answer, now or when there is one. */
  #isFirst(frame: KeyedFrame, call: AcceptedCall): boolean {
    const arrival = this.#keyed.arrive(frame)
    if (arrival.kind === 'answered') this.#options.reply(this.#answers.repeated(arrival.answer, frame))
    else if (arrival.kind === 'full' || arrival.kind === 'cycle') this.#refuseAdmission(call, arrival.kind)
    return arrival.kind === 'first'
  }

  /**
   * What was given up and failed for it, or never started, is no answer: whoever waits for one is the next to try. Nor is what
   * failed when its own time was over, which ends the calls that it made, too.
   */
  #answerShared(frame: KeyedFrame, { aborted, remaining }: CallContext, answer: Answer): void {
    const isFinal = answer && (answer.kind === 'result' || !(aborted || remaining < TIMER || neverStarted(answer)))
    for (const other of this.#keyed.settle(frame, isFinal ? answer : undefined)) {
      if (isFinal) this.#options.reply(this.#answers.repeated(answer, other))
      else this.invoke(other)
    }
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

  #refuseAdmission({ frame, chain }: AcceptedCall, why: 'full' | 'cycle'): void {
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
