import type { ChannelHandle, WriteRequest } from './channel-handle.js'
import { MessageTooLargeError } from './line-limit.js'
import { sending } from './sent-handles.js'

/** As far behind the other side may be until `send` says so, as node has it, bytes. */
const BEHIND = 2 * 64 * 1024

/**
 * The writing side of a process's pipe. Texts of our own go straight to it: `process.send` makes an object, its JSON and a
 * callback in a later turn for each, a tenth of what a lone call costs. The class of libuv's requests is not to be had from
 * node, so it is learnt from the first message that node itself writes; until then there is no `write`.
 *
 * Refuses what is longer than the other side would read, whoever writes it.
 */
export class PipeWriter {
  readonly #pipe: ChannelHandle
  readonly #limit: number
  readonly #write: ChannelHandle['writeUtf8String']
  #WriteRequest: (new () => WriteRequest) | undefined

  /** What node writes goes through `textOf` first. */
  constructor(pipe: ChannelHandle, limit: number, textOf: (given: string) => string) {
    this.#pipe = pipe
    this.#limit = limit
    this.#write = pipe.writeUtf8String
    pipe.writeUtf8String = (request, given, handle) => {
      // Where the pipe does not say what is left, nobody could tell when a write is done: then there is no `write`.
      if (pipe.writeQueueSize !== undefined) this.#WriteRequest ??= request.constructor as new () => WriteRequest
      return this.#give(request, textOf(given), handle)
    }
  }

  /** `write` can be used. */
  get isReady(): boolean {
    return this.#WriteRequest !== undefined
  }

  /**
   * Calls back when the text is in the pipe: at once if it fits. False: the pipe takes no more until the callback, which is
   * then still to come. A `handle` goes along, and is not closed before (`sent-handles.ts`).
   */
  write(text: string, callback: (error: Error | null) => void, handle?: object): boolean {
    if (!this.#WriteRequest) throw new Error('Expected `isReady` before `write`')
    const request = new this.#WriteRequest()
    const status = this.#give(request, text, handle)
    const left = this.#pipe.writeQueueSize ?? 0
    // Later, as there may be much in the pipe too: a callback before `false` would be missed.
    if (status !== 0) process.nextTick(callback, failed(status))
    else if (left === 0) callback(null)
    else request.oncomplete = (ended) => callback(ended === 0 ? null : failed(ended))
    return left < BEHIND
  }

  #give(request: WriteRequest, text: string, handle: object | undefined): number {
    // A character has at most three bytes, so that nearly every message is known to fit without being looked at.
    if (text.length * 3 > this.#limit && Buffer.byteLength(text) > this.#limit)
      throw new MessageTooLargeError(Buffer.byteLength(text), this.#limit)
    const status = this.#write.call(this.#pipe, request, text, handle)
    if (handle && status === 0 && (this.#pipe.writeQueueSize ?? 0) > 0) whenComplete(request, sending(handle))
    return status
  }
}

/** Before its `oncomplete`, which whoever writes sets when the write has returned. */
function whenComplete(request: WriteRequest, run: () => void): void {
  let oncomplete: WriteRequest['oncomplete']
  Object.defineProperty(request, 'oncomplete', {
    get: () => (status: number) => {
      run()
      oncomplete?.call(request, status)
    },
    set(given: typeof oncomplete) {
      oncomplete = given
    },
  })
}

/** What follows says more: the channel closes. */
function failed(status: number): Error {
  return new Error(`cannot write to the channel (${status})`)
}
