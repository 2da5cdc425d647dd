import { describeTarget } from '../../protocol/address.js'
import { toRecord } from '../../protocol/error-record.js'
import {
  CallAbortedError,
  CallCycleError,
  MailboxFullError,
  NoSuchMethodError,
  RemoteError,
  type ThrownRecord,
  TroupeError,
} from '../../protocol/errors.js'
import type { ChainLink, FailureFrame, InvokeFrame, ResultFrame } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import { decodePayload, encodePayload } from '../../protocol/payload.js'
import { validate } from '../../protocol/schema.js'
import { toThrown } from '../../protocol/thrown.js'
import type { Clock } from '../clock.js'
import type { Logger } from '../logger.js'
import { dropOwnFrames } from '../own-frames.js'
import { CallContext, runInContext } from './call-context.js'
import { type Letter, Mailbox } from './mailbox.js'
import type { RegisteredMethod } from './method-registry.js'

/** A chain of calls longer than this is taken for a loop. */
const MAX_CHAIN = 32
/** How many names a `NoSuchMethodError` lists. */
const KNOWN_METHODS = 20

export interface ActorOptions {
  readonly self: ProcessRef
  readonly methods: ReadonlyMap<string, RegisteredMethod>
  readonly concurrency: number
  readonly mailboxLimit: number
  readonly payloadLimit: number
  readonly clock: Clock
  readonly logger: Logger
  readonly reply: (frame: ResultFrame | FailureFrame) => void
}

/** What goes back to the caller; nothing for a cast. */
type Answer = ResultFrame | FailureFrame | undefined

/** A call that was accepted and has not ended. */
interface Accepted {
  readonly frame: InvokeFrame
  readonly context: CallContext
  readonly letter: Letter
}

/** Runs this process's methods: takes invocations, answers each call exactly once unless its caller has given it up. */
export class Actor {
  readonly #options: ActorOptions
  readonly #mailbox: Mailbox
  /** The calls among the accepted ones, by route, so that a cancel finds them. */
  readonly #calls = new Map<number, Accepted>()
  #onIdle: (() => void)[] = []

  constructor(options: ActorOptions) {
    this.#options = options
    this.#mailbox = new Mailbox({
      limit: options.mailboxLimit,
      concurrency: options.concurrency,
      concurrencyOf: (method) => options.methods.get(method)?.options.concurrency ?? Number.POSITIVE_INFINITY,
    })
  }

  invoke(frame: InvokeFrame): void {
    const { methods, clock, self } = this.#options
    const method = methods.get(frame.method)
    if (!method)
      return this.#refuse(
        frame,
        new NoSuchMethodError({ ...this.#name(frame), known: [...methods.keys()].slice(0, KNOWN_METHODS) }),
      )
    const deadline = frame.deadline ?? Number.POSITIVE_INFINITY
    // Expired work is not started, and its caller needs no telling: its own deadline has the same time.
    if (clock.now() >= deadline) return
    const chain: readonly ChainLink[] = [...(frame.chain ?? []), [frame.route ?? 0, self.id, frame.method]]
    if (chain.length > MAX_CHAIN)
      return this.#refuse(frame, this.#cycle(frame, chain, `the chain of calls is longer than ${MAX_CHAIN}`))

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
    if (frame.route !== undefined) this.#calls.set(frame.route, accepted)
    const admission = this.#mailbox.admit(accepted.letter)
    if (admission === 'started' || admission === 'queued') return
    if (frame.route !== undefined) this.#calls.delete(frame.route)
    const { mailboxLimit } = this.#options
    this.#refuse(
      frame,
      admission === 'cycle'
        ? this.#cycle(frame, chain, 'it would wait for itself')
        : new MailboxFullError({
            ...this.#name(frame),
            limit: mailboxLimit,
            queue: 'mailbox',
            abandoned: this.#mailbox.abandoned,
          }),
    )
  }

  /**
   * Nobody waits for this call any more. One that has not started leaves; one that runs has its signal fired and keeps its
   * place until it settles, because a serial method that still runs must not run twice, and what runs must stay bounded.
   */
  cancel(route: number): void {
    const accepted = this.#calls.get(route)
    if (!accepted) return
    this.#calls.delete(route)
    accepted.context.abort(new CallAbortedError(this.#name(accepted.frame)))
    this.#mailbox.withdraw(accepted.letter)
    this.#checkIdle()
  }

  /** Resolves when nothing is left that somebody waits for, or that is a cast. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve()
    return new Promise((resolve) => this.#onIdle.push(resolve))
  }

  async #run(accepted: Accepted, method: RegisteredMethod): Promise<void> {
    const { frame, context } = accepted
    if (context.remaining === 0) return this.#end(accepted, undefined)
    this.#end(accepted, await this.#carryOut(frame, context, method))
  }

  /** Three steps, because it matters whose error it is: ours before the method ran, the method's, ours after it. */
  async #carryOut(frame: InvokeFrame, context: CallContext, { run, options }: RegisteredMethod): Promise<Answer> {
    let args: unknown[]
    try {
      const decoded = decodePayload(frame.payload, 'args')
      args = Array.isArray(decoded) ? (decoded as unknown[]) : []
      if (options.input) args[0] = await validate(options.input, args[0], `the argument of ${frame.method}`)
    } catch (error) {
      return this.#failure(frame, error, 'no')
    }
    let value: unknown
    try {
      const returned = runInContext(context, () => run(...args))
      // A value that is there is encoded now, before another call of this batch can change what it refers to.
      value = isThenable(returned) ? await returned : returned
    } catch (error) {
      return this.#thrown(frame, error)
    }
    try {
      if (options.output) value = await validate(options.output, value, `the result of ${frame.method}`)
      return this.#result(frame, value)
    } catch (error) {
      return this.#failure(frame, error, 'yes')
    }
  }

  /** The method has settled. Its answer is wanted unless the call was given up meanwhile. */
  #end(accepted: Accepted, answer: Answer): void {
    const { route } = accepted.frame
    accepted.context.settle()
    const wanted = route !== undefined && this.#calls.get(route) === accepted && !accepted.context.aborted
    if (wanted && answer) this.#options.reply(answer)
    if (route !== undefined && this.#calls.get(route) === accepted) this.#calls.delete(route)
    this.#mailbox.release(accepted.letter)
    this.#checkIdle()
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

  #result(frame: InvokeFrame, value: unknown): Answer {
    if (frame.route === undefined) return undefined
    const opaque = frame.from.id !== 0 && this.#options.self.id !== 0
    return {
      kind: 'result',
      id: frame.route,
      payload: encodePayload(value, { opaque, limit: this.#options.payloadLimit, root: 'result' }),
    }
  }

  #thrown(frame: InvokeFrame, error: unknown): Answer {
    if (frame.route === undefined) {
      this.#options.logger.error(`the cast ${frame.method} from ${describeTarget(frame.from.id)} threw`, error)
      return undefined
    }
    const details = { ...this.#name(frame), from: this.#options.self, thrown: this.#thrownRecord(error) }
    return { kind: 'failure', id: frame.route, error: toRecord(new RemoteError(details)) }
  }

  /** From there on down the stack is ours: the method's own part says all. */
  #thrownRecord(error: unknown): ThrownRecord {
    const thrown = toThrown(error)
    return thrown.stack === undefined ? thrown : { ...thrown, stack: dropOwnFrames(thrown.stack) }
  }

  /** An error of ours about this very call. A schema that throws instead of answering is the method's own fault. */
  #failure(frame: InvokeFrame, error: unknown, sent: 'no' | 'yes'): Answer {
    if (!(error instanceof TroupeError)) return this.#thrown(frame, error)
    if (frame.route !== undefined) {
      return {
        kind: 'failure',
        id: frame.route,
        error: { code: error.code, details: { ...error.details, ...this.#name(frame), sent } },
      }
    }
    this.#options.logger.error(`the cast ${frame.method} from ${describeTarget(frame.from.id)} failed`, error)
    return undefined
  }

  #refuse(frame: InvokeFrame, error: TroupeError): void {
    if (frame.route !== undefined) this.#options.reply({ kind: 'failure', id: frame.route, error: toRecord(error) })
    else
      this.#options.logger.warn(
        `the cast ${frame.method} from ${describeTarget(frame.from.id)} was dropped: ${error.message}`,
      )
  }

  #cycle(frame: InvokeFrame, chain: readonly ChainLink[], reason: string): CallCycleError {
    return new CallCycleError({
      ...this.#name(frame),
      reason,
      cycle: chain.map(([, id, method]) => `${describeTarget(id)}.${method}`),
    })
  }

  #name(frame: InvokeFrame): { target: number | 'primary'; method: string; sent: 'no' } {
    const { id } = this.#options.self
    return { target: id === 0 ? 'primary' : id, method: frame.method, sent: 'no' }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
