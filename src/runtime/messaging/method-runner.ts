import { MethodKindError } from '../../protocol/errors.js'
import type { InvokeFrame } from '../../protocol/frames.js'
import { decodePayload } from '../../protocol/payload.js'
import { validate } from '../../protocol/schema.js'
import type { Answer, Answers } from './answers.js'
import { type CallContext, runInContext } from './call-context.js'
import type { RegisteredMethod } from './method-registry.js'
import { closeIterator } from './streams/stream-sender.js'
import { isAsyncIterable, isGenerator, type StreamSenders } from './streams/stream-senders.js'

/** Runs one method for one call, from its encoded arguments to its answer. Never throws. */
export class MethodRunner {
  readonly #answers: Answers
  readonly #streams: StreamSenders

  constructor(answers: Answers, streams: StreamSenders) {
    this.#answers = answers
    this.#streams = streams
  }

  /** Looking at a value runs code of its own (a Proxy's traps, a getter), which may throw as the method may. */
  async run(frame: InvokeFrame, context: CallContext, method: RegisteredMethod): Promise<Answer> {
    try {
      return await this.#carryOut(frame, context, method)
    } catch (error) {
      return this.#answers.thrown(frame, error)
    }
  }

  /** Three steps, because it matters whose error it is: ours before the method ran, the method's, ours after it. */
  async #carryOut(frame: InvokeFrame, context: CallContext, { run, options }: RegisteredMethod): Promise<Answer> {
    let args: unknown[]
    try {
      const decoded = decodePayload(frame.payload, 'args')
      args = Array.isArray(decoded) ? (decoded as unknown[]) : []
      if (options.input) args[0] = await validate(options.input, args[0], `the argument of ${frame.method}`)
    } catch (error) {
      return this.#answers.failure(frame, error, 'no')
    }
    let value: unknown
    try {
      const returned = runInContext(context, () => run(...args))
      // A value that is there is encoded now, before another call of this batch can change what it refers to.
      value = isThenable(returned) ? await returned : returned
    } catch (error) {
      return this.#answers.thrown(frame, error)
    }
    if (frame.stream) return await this.#read(frame, context, value, options)
    if (isGenerator(value)) {
      void closeIterator(value)
      return this.#answers.failure(frame, new MethodKindError({ kind: 'undeclared' }), 'yes')
    }
    try {
      if (options.output) value = await validate(options.output, value, `the result of ${frame.method}`)
      return this.#answers.result(frame, value)
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

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
