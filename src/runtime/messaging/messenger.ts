import { describeTarget, printable, type Target, toAddress } from '../../protocol/address.js'
import type {
  AnyContract,
  Channel,
  MethodArgs,
  MethodName,
  MethodResult,
  MethodsOf,
  PrimaryMethods,
  Proxied,
  WorkerMethods,
} from '../../protocol/contract.js'
import { fromRecord } from '../../protocol/error-record.js'
import { NoSuchMethodError, type TroupeError, UsageError } from '../../protocol/errors.js'
import type { WireTarget } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import { type MethodTable, traitsOf } from '../../protocol/method-table.js'
import { validateNow } from '../../protocol/schema.js'
import { expectBoolean, expectDuration, expectFunction, expectKnown, expectObject, unexpected } from '../expect.js'
import type { Timeouts } from '../limits.js'
import { withoutOwnFrames } from '../own-frames.js'
import { LiveView } from './live-view.js'
import type { Members, WorkerInfo } from './members.js'
import type { Peer } from './peer.js'
import { methodProxy } from './proxy.js'
import type { Subscription } from './subscriptions.js'

export interface CallOptions {
  /**
   * Milliseconds from now. Default: the method's own, else `timeouts.call`. Inside a method, a call never gets more than
   * is left of the call that it serves.
   */
  readonly timeout?: number | undefined
  /** Gives the call up: it rejects with `CallAbortedError`, and `currentCall().signal` fires in the method. */
  readonly signal?: AbortSignal | undefined
}

export interface PublishOptions {
  /** False leaves the publisher's own process out. Default true. */
  readonly self?: boolean | undefined
  /** Resolve when the handlers of every subscribed process have settled. Default false: when it is on its way. */
  readonly ack?: boolean | undefined
  /** With `ack`: how long to wait for them, in ms. Default `timeouts.ack`. */
  readonly timeout?: number | undefined
}

/** Who has handled a message, and who has not, when its publish resolves. The primary is id 0. */
export interface PublishReceipt {
  readonly acknowledged: readonly ProcessRef[]
  readonly failed: readonly (ProcessRef & { readonly error: TroupeError })[]
}

export interface MessengerOptions {
  readonly peer: Peer
  readonly members: Members
  readonly timeouts: Timeouts
  /** The primary's own methods, for their deadlines. */
  readonly primaryMethods: MethodTable
  /** Why a cast to there would certainly be lost, as far as this process knows. */
  readonly refusal: (to: WireTarget, method: string) => TroupeError | undefined
}

/** What a cluster offers on both sides: calls, channels, and the list of who is there. */
export abstract class Messenger<C extends AnyContract> {
  readonly #options: MessengerOptions

  readonly #workers: ReadonlyMap<number, WorkerInfo>
  readonly #processes: ReadonlyMap<number, WorkerInfo>

  constructor(options: MessengerOptions) {
    this.#options = options
    this.#workers = new LiveView(options.members.workers)
    this.#processes = new LiveView(options.members.processes)
  }

  /** What each worker id means now. A live view: read it again later. */
  get workers(): ReadonlyMap<number, WorkerInfo> {
    return this.#workers
  }

  /** Every live process, by incarnation; also those that drain while their replacement serves. */
  get processes(): ReadonlyMap<number, WorkerInfo> {
    return this.#processes
  }

  /**
   * Calls a method of one worker, of the least busy one (`'any'`), or of the primary. Settles exactly once, at the latest
   * at its deadline: with the method's value, or with an error of the catalogue.
   */
  async call<T extends Target, K extends MethodName<MethodsOf<C, T>>>(
    target: T,
    method: K,
    args: MethodArgs<MethodsOf<C, T>, K>,
    options: CallOptions = {},
  ): Promise<MethodResult<MethodsOf<C, T>, K>> {
    return (await this.#call(readTarget(target), method, args, options)) as MethodResult<MethodsOf<C, T>, K>
  }

  /**
   * One way: no answer, no error from the method. Resolves when the message has left for its target, so that a loop that
   * awaits it goes no faster than the link. What is thrown over there is logged over there.
   */
  async cast<T extends Target, K extends MethodName<MethodsOf<C, T>>>(
    target: T,
    method: K,
    args: MethodArgs<MethodsOf<C, T>, K>,
  ): Promise<void> {
    const to = readTarget(target)
    const { peer, refusal } = this.#options
    const payload = peer.encodeArgs(readArgs(method, args), to, method)
    const refused = refusal(to, method) ?? this.#missingMethod(to, method)
    if (refused) throw refused
    await peer.caller.cast({ to, method, payload })
  }

  /** Calls every worker that is ready, and gathers each one's outcome. Never rejects for what a worker did. */
  async callAll<K extends MethodName<WorkerMethods<C>>>(
    method: K,
    args: MethodArgs<WorkerMethods<C>, K>,
    options: CallOptions = {},
  ): Promise<Map<number, PromiseSettledResult<MethodResult<WorkerMethods<C>, K>>>> {
    readArgs(method, args)
    readCallOptions(options)
    const ids = [...this.workers.values()].filter(({ state }) => state === 'ready').map(({ id }) => id)
    const outcomes = await Promise.allSettled(ids.map((id) => this.#call(id, method, args, options)))
    return new Map(
      ids.map((id, index) => [id, outcomes[index] as PromiseSettledResult<MethodResult<WorkerMethods<C>, K>>]),
    )
  }

  /** The methods of one worker as functions: `cluster.worker(2).resize('a.png', 200)`. */
  worker(id: number, options: CallOptions = {}): Proxied<WorkerMethods<C>> {
    const to = readTarget(id)
    if (typeof to !== 'number' || to === 0) throw unexpected('id', 'a worker id (1, 2, …)', id)
    return this.#proxy(to, options)
  }

  /** The methods of whichever worker is least busy at each call. */
  any(options: CallOptions = {}): Proxied<WorkerMethods<C>> {
    return this.#proxy('any', options)
  }

  /** The primary's own methods. */
  primary(options: CallOptions = {}): Proxied<PrimaryMethods<C>> {
    return this.#proxy(0, options)
  }

  /**
   * Sends a value to every process that has subscribed. Without `ack` it resolves when the message is on its way. With
   * `ack` it resolves when every subscriber's handlers have settled, or died, or the deadline has passed, and says which.
   */
  publish<T>(
    channel: Channel<T>,
    value: NoInfer<T>,
    options: PublishOptions & { readonly ack: true },
  ): Promise<PublishReceipt>
  publish<T>(channel: Channel<T>, value: NoInfer<T>, options?: PublishOptions): Promise<PublishReceipt | undefined>
  async publish<T>(
    channel: Channel<T>,
    value: NoInfer<T>,
    options: PublishOptions = {},
  ): Promise<PublishReceipt | undefined> {
    const { name, schema } = readChannel(channel)
    const { self, ack, timeout } = readPublishOptions(options, this.#options.timeouts.ack)
    const { peer } = this.#options
    const valid = schema ? validateNow(schema, value, `a value for channel ${name}`) : value
    // Opaque even from the primary: it is then encoded once for all subscribers.
    const payload = peer.encodeMessage(valid, name)
    if (!ack) {
      await peer.publisher.publish(name, payload, self)
      return undefined
    }
    const { acknowledged, failed } = await peer.publisher.publishAndConfirm(name, payload, self, timeout)
    return {
      acknowledged,
      failed: failed.map(({ id, incarnation, error }) => ({ id, incarnation, error: fromRecord(error) })),
    }
  }

  /** Calls `handler` with every value published from when `active` resolves, in the order in which the primary saw them. */
  subscribe<T>(channel: Channel<T>, handler: (value: T) => unknown): Subscription {
    const { name } = readChannel(channel)
    expectFunction(handler, 'handler')
    return this.#options.peer.subscriptions.add(name, handler as (value: unknown) => unknown)
  }

  #proxy<M>(to: WireTarget, options: CallOptions): Proxied<M> {
    readCallOptions(options)
    return methodProxy((method, args) => this.#call(to, method, args, options), describeTarget(to)) as Proxied<M>
  }

  /** A cast has no answer that could say so later. */
  #missingMethod(to: WireTarget, method: string): NoSuchMethodError | undefined {
    const { members, primaryMethods } = this.#options
    const table = to === 0 ? primaryMethods : to === 'any' ? undefined : members.workers.get(to)?.methods
    // An empty table is that of a worker which has not joined yet.
    if (!table || traitsOf(table, method) || (to !== 0 && Object.keys(table).length === 0)) return undefined
    return new NoSuchMethodError({ target: to === 0 ? 'primary' : to, method, known: Object.keys(table), sent: 'no' })
  }

  async #call(to: WireTarget, method: string, args: unknown, options: CallOptions): Promise<unknown> {
    const { peer, members, timeouts, primaryMethods } = this.#options
    try {
      const { timeout, signal } = readCallOptions(options)
      const payload = peer.encodeArgs(readArgs(method, args), to, method)
      const traits = to === 0 ? traitsOf(primaryMethods, method) : members.traits(to, method)
      return await peer.caller.call({
        to,
        method,
        payload,
        timeout: timeout ?? traits?.timeout ?? timeouts.call,
        signal,
      })
    } catch (error) {
      throw withoutOwnFrames(error)
    }
  }
}

function readTarget(target: unknown): WireTarget {
  const address = toAddress(target)
  if (!address) throw unexpected('target', "a worker id (1, 2, …), 'any' or 'primary'", target)
  if (address.kind === 'worker') return address.id
  return address.kind === 'any' ? 'any' : 0
}

function readArgs(method: unknown, args: unknown): readonly unknown[] {
  if (typeof method !== 'string') throw unexpected('method', 'the name of a method', method)
  if (Array.isArray(args)) return args as unknown[]
  throw new UsageError(
    `Expected \`args\` of ${method} to be an array of its arguments, got ${printable(args)}. Write call(target, '${method}', [...])`,
  )
}

function readCallOptions(options: CallOptions): CallOptions {
  expectObject(options, 'options')
  expectKnown(options, ['timeout', 'signal'], 'options.')
  if (options.timeout !== undefined) expectDuration(options.timeout, 'options.timeout')
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal))
    throw unexpected('options.signal', 'an AbortSignal', options.signal)
  return options
}

function readPublishOptions(
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

function readChannel<T>(channel: Channel<T>): Channel<T> {
  if (typeof channel === 'object' && channel !== null && typeof channel.name === 'string') return channel
  throw unexpected('channel', 'what channel(name) returned', channel)
}
