import { printable, type Target } from './address.js'
import { UsageError } from './errors.js'
import type { StandardSchema } from './schema.js'

/**
 * What the two sides of a cluster agree on, and how the types of a call follow from it. Only `channel` and `method` exist
 * at run time; the rest is types.
 */

// ------------------------------------------------------------------------------------------- channels

/** A named broadcast topic whose messages are `T`. Both sides make it, or import it, by the same name. */
export interface Channel<T> {
  readonly name: string
  readonly schema?: StandardSchema<T> | undefined
  /** Never there at run time: keeps `Channel<string>` and `Channel<number>` apart. */
  readonly message?: T
}

/**
 * Names a channel. With a schema, every value is validated by it when it is published, and the schema's output is sent.
 * The schema must answer at once: waiting for it would break the order of messages.
 */
export function channel<T>(name: string, schema?: StandardSchema<T>): Channel<T> {
  if (typeof name !== 'string' || name === '') {
    throw new UsageError(`Expected the name of the channel to be a text that is not empty, got ${printable(name)}`)
  }
  if (schema !== undefined && typeof schema?.['~standard']?.validate !== 'function') {
    throw new UsageError(`Expected the schema of channel ${name} to be a Standard Schema (zod, valibot, arktype, …)`)
  }
  return schema ? { name, schema } : { name }
}

// -------------------------------------------------------------------------------------------- methods

export interface MethodOptions<Args extends readonly unknown[] = readonly unknown[], Result = unknown> {
  /** May be carried out twice without harm, so that the runtime may repeat it. Default false. */
  readonly idempotent?: boolean
  /** The deadline of a call that names none, in ms. Default: the caller's `timeouts.call`. */
  readonly timeout?: number
  /** How many calls of this method run at once in one worker; 1 makes it serial. Default: no limit of its own. */
  readonly concurrency?: number
  /** Validates the first argument, and its output replaces it. */
  readonly input?: StandardSchema<Args[0]>
  /** Validates what the method returns, and its output replaces it. */
  readonly output?: StandardSchema<Awaited<Result>>
}

/** Where `method` keeps its options: on the function itself, under a symbol that a second copy of the library shares. */
export const METHOD_OPTIONS: unique symbol = Symbol.for('troupe.method')

/**
 * Gives a method options. The result is still the plain function: it can be called directly, with no cluster, and its
 * type is the function's own. Options are checked when the method is registered.
 */
// biome-ignore lint/suspicious/noExplicitAny: any function can be a method; its own type is kept.
export function method<F extends (...args: any[]) => unknown>(
  options: MethodOptions<Parameters<F>, ReturnType<F>>,
  run: F,
): F {
  if (typeof run !== 'function')
    throw new UsageError(`Expected method(options, fn) to get a function, got ${printable(run)}`)
  if (typeof options !== 'object' || options === null) {
    throw new UsageError(`Expected the options of method ${run.name} to be an object, got ${printable(options)}`)
  }
  const wrapped = function (this: unknown, ...args: unknown[]) {
    return run.apply(this, args)
  }
  Object.defineProperty(wrapped, 'name', { value: run.name })
  Object.defineProperty(wrapped, METHOD_OPTIONS, { value: options })
  return wrapped as F
}

// ---------------------------------------------------------------------------------------------- types

/** Both members are optional; `object`, not an index signature, so that an `interface` and `typeof methods` fit. */
export interface AnyContract {
  worker?: object
  primary?: object
}

// biome-ignore lint/suspicious/noExplicitAny: without a contract every name and every argument is allowed.
type UntypedMethods = Record<string, (...args: any[]) => any>

/** What a cluster without a contract assumes: nothing. */
export interface UntypedContract {
  worker: UntypedMethods
  primary: UntypedMethods
}

export type WorkerMethods<C extends AnyContract> = C extends { worker: infer W extends object }
  ? W
  : Record<never, never>
export type PrimaryMethods<C extends AnyContract> = C extends { primary: infer P extends object }
  ? P
  : Record<never, never>
export type MethodsOf<C extends AnyContract, T extends Target> = T extends 'primary'
  ? PrimaryMethods<C>
  : WorkerMethods<C>

// biome-ignore lint/suspicious/noExplicitAny: matches every function.
type AnyFunction = (...args: any[]) => any
/** The names that `call` takes: functions, except async generators, which are streams. */
export type MethodName<M> = {
  [K in keyof M]: M[K] extends AnyFunction ? (IsStream<M[K]> extends true ? never : K) : never
}[keyof M] &
  string

/** Not for `any`, and not for a function that never returns, though both extend everything. */
type IsStream<F extends AnyFunction> = 0 extends 1 & ReturnType<F>
  ? false
  : [ReturnType<F>] extends [never]
    ? false
    : ReturnType<F> extends AsyncGenerator
      ? true
      : false

export type MethodArgs<M, K extends keyof M> = M[K] extends (...args: infer A) => unknown ? A : never
export type MethodResult<M, K extends keyof M> = M[K] extends (...args: never[]) => infer R ? Awaited<R> : never

/** `cluster.worker(2)`: the methods, each as an async function of the same arguments. */
export type Proxied<M> = {
  readonly [K in MethodName<M>]: (...args: MethodArgs<M, K>) => Promise<MethodResult<M, K>>
}
