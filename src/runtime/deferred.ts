/** A promise that somebody else resolves. */
export interface Deferred<T = void> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
}

/** One function for all promises: every call makes one, and a new function each would cost more than the promise. */
const handOut = (resolve: (value: unknown) => void): void => {
  handedOut = resolve
}
let handedOut: (value: unknown) => void

export function deferred<T = void>(): Deferred<T> {
  const promise = new Promise<T>(handOut as (resolve: (value: T) => void) => void)
  return { promise, resolve: handedOut }
}
