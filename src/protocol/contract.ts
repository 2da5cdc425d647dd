import { printable, type Target } from './address.js'
import { UsageError } from './errors.js'
import type { StandardSchema } from './schema.js'

/**
 * What the two sides of a cluster agree on, and how the types of a call follow from it. Only `channel` and `method` exist
 * at run time; the rest is types.
 */

/** Characters of a method's or a channel's name: names are in no limit of bytes. */
export const LONGEST_NAME = 256

/** How many of the last messages of a link are kept for the evidence: enough for what was going on, 5 kB per link. */
export const RECORDED_FRAMES = 64

// ------------------------------------------------------------------------------------------- channels

/**
 * What becomes of a message for a process whose link holds as much as it may, because it does not read as fast as others
 * publish. `drop-newest`: it misses this message. `drop-oldest`: it misses the oldest one of this channel that waits for it.
 * `disconnect`: its subscriptions to this channel end, so that it knows that it has missed something.
 */
export type Overflow = 'drop-newest' | 'drop-oldest' | 'disconnect'

export const OVERFLOWS = ['drop-newest', 'drop-oldest', 'disconnect'] as const satisfies readonly Overflow[]

export interface ChannelOptions {
  /** Default `drop-newest`. */
  readonly overflow?: Overflow | undefined
}

/** A named broadcast topic whose messages are `T`. Both sides make it, or import it, by the same name. */
export interface Channel<T> {
  readonly name: string
  readonly schema?: StandardSchema<T> | undefined
  readonly overflow?: Overflow | undefined
  /** Never there at run time: keeps `Channel<string>` and `Channel<number>` apart. */
  readonly message?: T
}

/**
 * Names a channel. With a schema, every value is validated by it when it is published, and the schema's output is sent.
 * The schema must answer at once: waiting for it would break the order of messages.
 */
export function channel<T>(name: string, schema?: StandardSchema<T>, options: ChannelOptions = {}): Channel<T> {
  if (typeof name !== 'string' || name === '' || name.length > LONGEST_NAME) {
    throw new UsageError(
      `Expected the name of the channel to be a text of 1 to ${LONGEST_NAME} characters, got ${printable(name)}`,
    )
  }
  if (schema !== undefined && typeof schema?.['~standard']?.validate !== 'function') {
    throw new UsageError(`Expected the schema of channel ${name} to be a Standard Schema (zod, valibot, arktype, …)`)
  }
  if (typeof options !== 'object' || options === null) {
    throw new UsageError(`Expected the options of channel ${name} to be an object, got ${printable(options)}`)
  }
  const { overflow, ...others } = options
  for (const unknown of Object.keys(others)) {
    throw new UsageError(`Unknown option \`${unknown}\` of channel ${name}. Known is \`overflow\``)
  }
  if (overflow !== undefined && !OVERFLOWS.includes(overflow)) {
    throw new UsageError(
      `Expected \`overflow\` of channel ${name} to be one of ${OVERFLOWS.join(', ')}, got ${printable(overflow)}`,
    )
  }
  return { name, ...(schema && { schema }), ...(overflow && { overflow }) }
}

// -------------------------------------------------------------------------------------------- methods

export interface MethodOptions<Args extends readonly unknown[] = readonly unknown[], Result = unknown> {
  /** May be carried out twice without harm, so that the runtime may repeat it. Default false. */
  readonly idempotent?: boolean
  /** The deadline of a call that names none, in ms. Default: the caller's `timeouts.call`. */
  readonly timeout?: number
  /** How many calls of this method run at once in one worker; 1 makes it serial. Default: no limit of its own. */
  readonly concurrency?: number
  /** It is a stream: it returns something that `for await` can read. Only needed where it is not itself an `async function*`. */
  readonly stream?: boolean
  /** Validates the first argument, and its output replaces it. */
  readonly input?: StandardSchema<Args[0]>
  /** Validates what the method returns, or each item of a stream, and its output replaces it. */
  readonly output?: StandardSchema<OutputOf<Result>>
}

/** What an output schema sees. `any` stays `any`. */
type OutputOf<Result> = Result extends AsyncIterable<infer Item> ? Item : Awaited<Result>

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
  // The wrapper hides what kind of function it is.
  const known = isGeneratorFunction(run) ? { ...options, stream: true } : options
  Object.defineProperty(wrapped, METHOD_OPTIONS, { value: known })
  return wrapped as F
}

/** An `async function*`, also when it is bound. What such a function returns can only be read as a stream. */
export function isGeneratorFunction(run: object): boolean {
  return Object.prototype.toString.call(run) === '[object AsyncGeneratorFunction]'
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

/** The names that `stream` takes: async generators, and, without a contract, every name. */
export type StreamName<M> = {
  [K in keyof M]: M[K] extends AnyFunction ? (true extends IsStream<M[K]> | IsAny<ReturnType<M[K]>> ? K : never) : never
}[keyof M] &
  string

type IsAny<T> = 0 extends 1 & T ? true : false

/** Not for `any`, and not for a function that never returns, though both extend everything. */
type IsStream<F extends AnyFunction> =
  IsAny<ReturnType<F>> extends true
    ? false
    : [ReturnType<F>] extends [never]
      ? false
      : ReturnType<F> extends AsyncIterable<unknown>
        ? true
        : false

export type MethodArgs<M, K extends keyof M> = M[K] extends (...args: infer A) => unknown ? A : never
export type MethodResult<M, K extends keyof M> = M[K] extends (...args: never[]) => infer R ? Awaited<R> : never

/** What a stream yields. */
export type StreamItem<M, K extends keyof M> = M[K] extends (...args: never[]) => infer R
  ? IsAny<R> extends true
    ? // biome-ignore lint/suspicious/noExplicitAny: without a contract, nothing is known of it.
      any
    : R extends AsyncIterable<infer Item>
      ? Item
      : never
  : never

/** What `stream` gives: to be read once, with `for await` or `next()`. Leaving it early ends the generator over there. */
export interface Stream<Item> extends AsyncIterableIterator<Item>, AsyncDisposable {
  // biome-ignore lint/suspicious/noExplicitAny: what a generator returns is not part of its items, here as in `AsyncIterator`.
  return(value?: any): Promise<IteratorResult<Item, any>>
  // biome-ignore lint/suspicious/noExplicitAny: the same.
  throw(error?: unknown): Promise<IteratorResult<Item, any>>
  [Symbol.asyncIterator](): Stream<Item>
}

/** `cluster.worker(2)`: the methods, each as an async function of the same arguments, and the streams. */
export type Proxied<M> = {
  readonly [K in MethodName<M>]: (...args: MethodArgs<M, K>) => Promise<MethodResult<M, K>>
} & {
  readonly [K in Exclude<StreamName<M>, MethodName<M>>]: (...args: MethodArgs<M, K>) => Stream<StreamItem<M, K>>
}
