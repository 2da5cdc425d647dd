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

/**
 * Resolves as `within` does, for what comes by a pipe: this process may have been busy for all that time and have looked at no
 * pipe, so that it gets turns in which it does.
 */
export async function withinReading(clock: Clock, ms: number, promise: Promise<unknown>): Promise<void> {
  const isThere = promise.then(() => true as const)
  if (await within(clock, ms, isThere)) return
  await new Promise<void>((resolve) => clock.nextTurn(() => clock.nextTurn(resolve)))
}
