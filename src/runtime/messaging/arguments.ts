import { printable, toAddress } from '../../protocol/address.js'
import { type Channel, LONGEST_NAME } from '../../protocol/contract.js'
import { UsageError } from '../../protocol/errors.js'
import type { WireTarget } from '../../protocol/frames.js'
import { expectBoolean, expectDuration, expectKnown, expectObject, unexpected } from '../expect.js'

// What programs hand to `call`, `cast`, `publish` and the others: checked before anything is done with it.

export interface CallOptions {
  /**
   * Milliseconds from now. Default: the method's own, else `timeouts.call`. Inside a method, a call never gets more than
   * is left of the call that it serves.
   */
  readonly timeout?: number | undefined
  /** Gives the call up: it rejects with `CallAbortedError`, and `currentCall().signal` fires in the method. */
  readonly signal?: AbortSignal | undefined
  /**
   * Calls of one method with the same key are carried out once by each process that they reach, and all get the first
   * answer: give it again when the outcome of a call is unknown. A process remembers the last `limits.answers` of them, and
   * its replacement none.
   */
  readonly idempotencyKey?: string | undefined
}

export interface PublishOptions {
  /** False leaves the publisher's own process out. Default true. */
  readonly self?: boolean | undefined
  /** Resolve when the handlers of every subscribed process have settled. Default false: when it is on its way. */
  readonly ack?: boolean | undefined
  /** With `ack`: how long to wait for them, in ms. Default `timeouts.ack`. */
  readonly timeout?: number | undefined
}

/** Keys are kept: what is longer is rather a document. */
const LONGEST_KEY = 256

export function readTarget(target: unknown): WireTarget {
  const address = toAddress(target)
  if (!address) throw unexpected('target', "a worker id (1, 2, …), 'any' or 'primary'", target)
  if (address.kind === 'worker') return address.id
  return address.kind === 'any' ? 'any' : 0
}

export function readArgs(method: unknown, args: unknown): readonly unknown[] {
  if (typeof method !== 'string' || method.length > LONGEST_NAME)
    throw unexpected('method', `the name of a method, of at most ${LONGEST_NAME} characters`, method)
  if (Array.isArray(args)) return args as unknown[]
  throw new UsageError(
    `Expected \`args\` of ${method} to be an array of its arguments, got ${printable(args)}. Write call(target, '${method}', [...])`,
  )
}

export function readCallOptions(options: CallOptions): CallOptions {
  expectObject(options, 'options')
  expectKnown(options, ['timeout', 'signal', 'idempotencyKey'], 'options.')
  if (options.timeout !== undefined) expectDuration(options.timeout, 'options.timeout')
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal))
    throw unexpected('options.signal', 'an AbortSignal', options.signal)
  const { idempotencyKey: key } = options
  if (key !== undefined && !(typeof key === 'string' && key.length > 0 && key.length <= LONGEST_KEY))
    throw unexpected('options.idempotencyKey', `a text of 1 to ${LONGEST_KEY} characters`, key)
  return options
}

export function readPublishOptions(
  options: PublishOptions,
  defaultTimeout: number,
): { self: boolean; ack: boolean; timeout: number } {
  expectObject(options, 'options')
  expectKnown(options, ['self', 'ack', 'timeout'], 'options.')
  const { self = true, ack = false, timeout = defaultTimeout } = options
  expectBoolean(self, 'options.self')
  expectBoolean(ack, 'options.ack')
  expectDuration(timeout, 'options.timeout')
  return { self, ack, timeout }
}

export function readChannel<T>(channel: Channel<T>): Channel<T> {
  if (typeof channel === 'object' && channel !== null && typeof channel.name === 'string') return channel
  throw unexpected('channel', 'what channel(name) returned', channel)
}
