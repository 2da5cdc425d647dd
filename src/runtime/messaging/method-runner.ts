import { MethodKindError } from '../../protocol/errors.js'
import type { InvokeFrame } from '../../protocol/frames.js'
import { decodePayload } from '../../protocol/payload.js'
import { type StandardSchema, validate } from '../../protocol/schema.js'
import { isThenable } from '../../protocol/thenable.js'
import type { Answer, Answers } from './answers.js'
import { type CallContext, runInContext } from './call-context.js'
import type { RegisteredMethod } from './method-registry.js'
import { closeIterator } from './streams/stream-sender.js'
import { isAsyncIterable, isGenerator, type StreamSenders } from './streams/stream-senders.js'

/** Runs one method for one call, from its encoded arguments to its answer. What it rejects with is the method's error. */
export class MethodRunner {
  readonly #answers: Answers
  readonly #streams: StreamSenders

  constructor(answers: Answers, streams: StreamSenders) {
    this.#answers = answers
    this.#streams = streams
  }

  /**
   * Gives the answer at once when the method gives its value at once: no promise is made for it then. Looking at a value runs
   * code of its own (a Proxy's traps, a getter), which may throw as the method may.
   */
  run(frame: InvokeFrame, context: CallContext, method: RegisteredMethod): Answer | Promise<Answer> {
    try {
      const args = this.#argsOf(frame)
      if (!Array.isArray(args)) return args
      if (method.options.input) return this.#validated(frame, context, method, args)
      return this.#call(frame, context, method, args)
    } catch (error) {
      return this.#answers.thrown(frame, error)
    }
  }

  /** Whose error it is matters: ours before the method ran, the method's, ours after it. */
  #argsOf(frame: InvokeFrame): unknown[] | Answer {
    try {
      const decoded = decodePayload(frame.payload, 'args')
      return Array.isArray(decoded) ? (decoded as unknown[]) : []
    } catch (error) {
      return this.#answers.failure(frame, error, 'no')
    }
  }

  async #validated(
    frame: InvokeFrame,
    context: CallContext,
    method: RegisteredMethod,
    args: unknown[],
  ): Promise<Answer> {
    const { input } = method.options
    try {
      if (input) args[0] = await validate(input, args[0], `the argument of ${frame.method}`)
    } catch (error) {
      return this.#answers.failure(frame, error, 'no')
    }
    return await this.#call(frame, context, method, args)
  }

  #call(
    frame: InvokeFrame,
    context: CallContext,
    { run, options }: RegisteredMethod,
    args: unknown[],
  ): Answer | Promise<Answer> {
    let value: unknown
    try {
      value = runInContext(context, run, ...args)
      // A value that is there is encoded now, before another call of this batch can change what it refers to.
      if (isThenable(value)) return this.#settled(frame, context, options, value)
    } catch (error) {
      return this.#answers.thrown(frame, error)
    }
    return this.#answer(frame, context, options, value)
  }

  async #settled(
    frame: InvokeFrame,
    context: CallContext,
    options: RegisteredMethod['options'],
    promise: PromiseLike<unknown>,
  ): Promise<Answer> {
    try {
      const value = await promise
      return await this.#answer(frame, context, options, value)
    } catch (error) {
      return this.#answers.thrown(frame, error)
    }
  }

  #answer(
    frame: InvokeFrame,
    context: CallContext,
    options: RegisteredMethod['options'],
    value: unknown,
  ): Answer | Promise<Answer> {
    if (frame.stream) return this.#read(frame, context, value, options)
    if (isGenerator(value)) {
      void closeIterator(value)
      return this.#answers.failure(frame, new MethodKindError({ kind: 'undeclared' }), 'yes')
    }
    if (options.output) return this.#validatedResult(frame, options.output, value)
    try {
      return this.#answers.result(frame, value)
    } catch (error) {
      return this.#answers.failure(frame, error, 'yes')
    }
  }

  async #validatedResult(frame: InvokeFrame, output: StandardSchema, value: unknown): Promise<Answer> {
    try {
      return this.#answers.result(frame, await validate(output, value, `the result of ${frame.method}`))
    } catch (error) {
      return this.#answers.failure(frame, error, 'yes')
    }
  }

  /** A stream: its items go out while it runs, and what it returns is the answer. */
  async #read(
    frame: InvokeFrame,
    context: CallContext,
    items: unknown,
    { output }: RegisteredMethod['options'],
  ): Promise<Answer> {
    if (!isAsyncIterable(items)) return this.#answers.failure(frame, new MethodKindError({ kind: 'unkept' }), 'yes')
    const outcome = await this.#streams.run(frame, context, items, output)
    if (outcome.kind === 'threw') return this.#answers.thrown(frame, outcome.error)
    if (outcome.kind === 'refused') return this.#answers.failure(frame, outcome.error, 'yes')
    try {
      return this.#answers.result(frame, outcome.value)
    } catch (error) {
      return this.#answers.failure(frame, error, 'yes')
    }
  }
}
