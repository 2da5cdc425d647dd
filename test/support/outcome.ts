import { assert } from 'vitest'

// biome-ignore lint/suspicious/noExplicitAny: whatever the class is built from.
export type Class<E> = new (...args: any[]) => E

/** The error that the promise rejects with, which must be of that class. */
export async function rejection<E extends Error>(ErrorClass: Class<E>, promise: Promise<unknown>): Promise<E> {
  const error = await promise.then(
    () => assert.fail('It resolved'),
    (error: unknown) => error,
  )
  assert.instanceOf(error, ErrorClass)
  return error as E
}

/** The error that the function throws, which must be of that class. */
export function thrown<E extends Error>(ErrorClass: Class<E>, run: () => unknown): E {
  let error: unknown
  try {
    run()
  } catch (caught) {
    error = caught
  }
  assert.instanceOf(error, ErrorClass)
  return error as E
}

/** How the promise stands: what it gave, `{ rejected }`, or `'pending'`. */
export async function standing(promise: Promise<unknown>): Promise<unknown> {
  return await Promise.race([
    promise.catch((rejected: unknown) => ({ rejected })),
    new Promise((resolve) => setImmediate(resolve, 'pending')),
  ])
}
