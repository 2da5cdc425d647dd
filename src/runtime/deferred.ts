/** A promise that somebody else resolves. */
export interface Deferred<T = void> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
}

type Resolve = (value: unknown) => void

let handedOut: Resolve | undefined

/**
 * One function for all promises, which each runs before its constructor returns: every call makes a promise, and a function made
 * for each would cost more than that.
 */
const handOut = (resolve: Resolve): void => {
  handedOut = resolve
}

export function deferred<T = void>(): Deferred<T> {
  const promise = new Promise<T>(handOut as (resolve: (value: T) => void) => void)
  const resolve = handedOut as Resolve
  // Whoever holds that holds what it is resolved with.
  handedOut = undefined
  return { promise, resolve }
}
