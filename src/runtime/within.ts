import type { Clock } from './clock.js'

/** What the promise gives, or `undefined` when `ms` have passed first. The promise must not reject. */
export function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = clock.after(ms, () => resolve(undefined))
    void promise.then((value) => {
      timer.cancel()
      resolve(value)
    })
  })
}
