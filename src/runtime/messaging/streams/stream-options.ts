import { expectDuration, expectKnown, expectObject, expectPositiveInteger, unexpected } from '../../expect.js'

export interface StreamOptions {
  /**
   * How long the reader waits for the next item, in ms. Default: the method's own `timeout`, else `timeouts.call`. The time that
   * the reader takes over an item does not count, so that a slow reader is not taken for a stream that hangs.
   */
  readonly timeout?: number | undefined
  /** How long the reader may leave the stream before it asks for the next item, in ms. Default `timeouts.idle`. */
  readonly idle?: number | undefined
  /** How long the whole stream may take, in ms. Default: for ever, or what is left of the call that the running method serves. */
  readonly total?: number | undefined
  /** Items that the generator may be ahead of the reader; 1 makes it wait for every `next()`. Default, and most, `limits.stream`. */
  readonly window?: number | undefined
  /** Gives the stream up: `next()` rejects with `CallAbortedError`, and `currentCall().signal` fires in the generator. */
  readonly signal?: AbortSignal | undefined
}

const NAMES = ['timeout', 'idle', 'total', 'window', 'signal'] as const satisfies (keyof StreamOptions)[]

export function readStreamOptions(options: StreamOptions, largestWindow: number): StreamOptions {
  expectObject(options, 'options')
  expectKnown(options, NAMES, 'options.')
  const { signal, window } = options
  for (const name of ['timeout', 'idle', 'total'] as const)
    if (options[name] !== undefined) expectDuration(options[name], `options.${name}`)
  if (window !== undefined && expectPositiveInteger(window, 'options.window') > largestWindow)
    throw unexpected('options.window', `at most ${largestWindow}, \`limits.stream\``, window)
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw unexpected('options.signal', 'an AbortSignal', signal)
  return options
}
