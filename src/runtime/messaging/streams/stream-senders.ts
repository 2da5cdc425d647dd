import type { CreditFrame, InvokeFrame, ItemsFrame } from '../../../protocol/frames.js'
import { type StandardSchema, validate } from '../../../protocol/schema.js'
import type { Clock } from '../../clock.js'
import type { CallContext } from '../call-context.js'
import { type StreamOutcome, StreamSender } from './stream-sender.js'

export interface StreamSendersOptions {
  readonly clock: Clock
  readonly payloadLimit: number
  readonly send: (frame: ItemsFrame) => void
}

/** The generators that run in this process for readers elsewhere, by route, so that credit finds them. */
export class StreamSenders {
  readonly #options: StreamSendersOptions
  readonly #running = new Map<number, StreamSender>()

  constructor(options: StreamSendersOptions) {
    this.#options = options
  }

  has(route: number | undefined): boolean {
    return route !== undefined && this.#running.has(route)
  }

  /** False when that generator has ended, or was never there. */
  credit(frame: CreditFrame): boolean {
    return this.#running.get(frame.id)?.credit(frame) ?? false
  }

  /** Sends what the generator yields, until it has ended. */
  async run(
    frame: InvokeFrame,
    context: CallContext,
    items: AsyncIterable<unknown>,
    output: StandardSchema | undefined,
  ): Promise<StreamOutcome> {
    const { route, stream: room, method } = frame
    if (route === undefined || room === undefined) throw new Error('A stream without a reader')
    const iterator = items[Symbol.asyncIterator]()
    const sender = new StreamSender({
      ...this.#options,
      route,
      room,
      context,
      validate: output && ((item, subject) => validate(output, item, `${subject} of ${method}`)),
    })
    this.#running.set(route, sender)
    try {
      return await sender.run(iterator)
    } finally {
      // A number may be in use again, long after its reader has left.
      if (this.#running.get(route) === sender) this.#running.delete(route)
    }
  }
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof (value as Partial<AsyncIterable<unknown>> | null | undefined)?.[Symbol.asyncIterator] === 'function'
}

/** A generator, begun or not: what no method can return as a value. */
export function isGenerator(value: unknown): value is AsyncIterableIterator<unknown> {
  return isAsyncIterable(value) && typeof (value as Partial<AsyncIterator<unknown>>).next === 'function'
}
