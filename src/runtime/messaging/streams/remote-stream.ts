import type { Stream } from '../../../protocol/contract.js'
import { PayloadError } from '../../../protocol/errors.js'
import type { Payload } from '../../../protocol/frames.js'
import { decodePayload } from '../../../protocol/payload.js'
import { withoutOwnFrames } from '../../own-frames.js'
import type { CallName } from '../call-name.js'
import type { StreamReader, Taken } from './stream-reader.js'

export interface RemoteStreamOptions {
  readonly name: CallName
  readonly reader: StreamReader
  /** The reader wants no more: the generator may end. */
  readonly leave: () => void
}

/**
 * What `cluster.stream` gives: behaves as the async generator would if it ran here, with two differences. It has begun
 * when it is made; and leaving it does not wait for the other side, nor for a `next()` that is still open.
 */
export class RemoteStream implements Stream<unknown> {
  readonly #options: RemoteStreamOptions

  constructor(options: RemoteStreamOptions) {
    this.#options = options
  }

  async next(): Promise<IteratorResult<unknown>> {
    try {
      const taken = this.#options.reader.take()
      return this.#read(taken instanceof Promise ? await taken : taken)
    } catch (error) {
      throw withoutOwnFrames(error)
    }
  }

  async return(value?: unknown): Promise<IteratorResult<unknown>> {
    this.#options.leave()
    return { done: true, value: await value }
  }

  async throw(error?: unknown): Promise<IteratorResult<unknown>> {
    this.#options.leave()
    throw error
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.leave()
  }

  #read(taken: Taken): IteratorResult<unknown> {
    switch (taken.kind) {
      case 'item':
        return { done: false, value: this.#decode(taken.item ?? undefined, `items[${taken.index}]`) }
      case 'returned':
        return { done: true, value: this.#decode(taken.payload, 'result') }
      case 'failed':
        throw taken.error()
      case 'nothing':
        return { done: true, value: undefined }
    }
  }

  /** An item that cannot be read ends the stream, as one that cannot be sent does. */
  #decode(payload: Payload, root: string): unknown {
    try {
      return decodePayload(payload, root)
    } catch (error) {
      this.#options.leave()
      if (!(error instanceof PayloadError)) throw error
      throw new PayloadError({ path: error.path, reason: error.reason, ...this.#options.name, sent: 'yes' })
    }
  }
}
