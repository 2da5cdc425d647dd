import { describeTarget, type Target } from '../../protocol/address.js'
import type {
  AnyContract,
  Channel,
  MethodArgs,
  MethodName,
  MethodResult,
  MethodsOf,
  PrimaryMethods,
  Proxied,
  Stream,
  StreamItem,
  StreamName,
  WorkerMethods,
} from '../../protocol/contract.js'
import { fromRecord } from '../../protocol/error-record.js'
import { MethodKindError, NoSuchMethodError, type TroupeError } from '../../protocol/errors.js'
import type { WireTarget } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import { type MethodTable, type MethodTraits, traitsOf } from '../../protocol/method-table.js'
import { validateNow } from '../../protocol/schema.js'
import { expectFunction, unexpected } from '../expect.js'
import type { Timeouts } from '../limits.js'
import { withoutOwnFrames } from '../own-frames.js'
import {
  type CallOptions,
  type PublishOptions,
  readArgs,
  readCallOptions,
  readChannel,
  readPublishOptions,
  readTarget,
} from './arguments.js'
import { LiveView } from './live-view.js'
import type { Members, WorkerInfo } from './members.js'
import type { Peer } from './peer.js'
import { methodProxy } from './proxy.js'
import { rejected } from './rejected.js'
import { readStreamOptions, type StreamOptions } from './streams/stream-options.js'
import type { Subscription } from './subscriptions.js'

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
  call<T extends Target, K extends MethodName<MethodsOf<C, T>>>(
    target: T,
    method: K,
    args: MethodArgs<MethodsOf<C, T>, K>,
    options: CallOptions = NO_OPTIONS,
  ): Promise<MethodResult<MethodsOf<C, T>, K>> {
    let to: WireTarget
    try {
      to = readTarget(target)
    } catch (error) {
      return rejected(withoutOwnFrames(error))
    }
    return this.#call(to, method, args, options) as Promise<MethodResult<MethodsOf<C, T>, K>>
  }

  /**
   * One way: no answer, no error from the method. Resolves when the message has left for its target, so that a loop that
   * awaits it goes no faster than the link. What is thrown over there is logged over there.
   */
  cast<T extends Target, K extends MethodName<MethodsOf<C, T>>>(
    target: T,
    method: K,
    args: MethodArgs<MethodsOf<C, T>, K>,
  ): Promise<void> {
    try {
      const to = readTarget(target)
      const { peer, refusal } = this.#options
      const values = readArgs(method, args)
      const refused = refusal(to, method) ?? this.#missingMethod(to, method) ?? this.#uncastable(to, method)
      if (refused) return rejected(refused)
      return peer.casts.send({ to, method, payload: peer.encodeArgs(values, to, method) })
    } catch (error) {
      return rejected(error)
    }
  }

  /**
   * Reads a method that is an async generator. It begins at once, and is at most `window` items ahead of whoever reads; all
   * else that concerns the call is found out by `next()`. Leaving the loop, the signal and every limit of time end the
   * generator: `currentCall().signal` fires there, and its `finally` blocks run.
   */
  stream<T extends Target, K extends StreamName<MethodsOf<C, T>>>(
    target: T,
    method: K,
    args: MethodArgs<MethodsOf<C, T>, K>,
    options: StreamOptions = {},
  ): Stream<StreamItem<MethodsOf<C, T>, K>> {
    return this.#stream(readTarget(target), method, args, options) as Stream<StreamItem<MethodsOf<C, T>, K>>
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
    const { name, schema, overflow } = readChannel(channel)
    const { self, ack, timeout } = readPublishOptions(options, this.#options.timeouts.ack)
    const { peer } = this.#options
    const valid = schema ? validateNow(schema, value, `a value for channel ${name}`) : value
    // Opaque even from the primary: it is then encoded once for all subscribers.
    const payload = peer.encodeMessage(valid, name)
    const message = { channel: name, payload, self, overflow }
    if (!ack) {
      await peer.publisher.publish(message)
      return undefined
    }
    const { acknowledged, failed } = await peer.publisher.publishAndConfirm(message, timeout)
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
    const { timeout, signal } = options
    const invoke = (method: string, args: unknown[]): unknown =>
      this.#traits(to, method)?.stream
        ? this.#stream(to, method, args, { timeout, signal })
        : this.#call(to, method, args, options)
    return methodProxy(invoke, describeTarget(to)) as Proxied<M>
  }

  /** A cast has no answer that could say so later. */
  #missingMethod(to: WireTarget, method: string): NoSuchMethodError | undefined {
    const { members, primaryMethods } = this.#options
    const table = to === 0 ? primaryMethods : to === 'any' ? undefined : members.workers.get(to)?.methods
    // An empty table is that of a worker which has not joined yet.
    if (!table || traitsOf(table, method) || (to !== 0 && Object.keys(table).length === 0)) return undefined
    return new NoSuchMethodError({ target: to === 0 ? 'primary' : to, method, known: Object.keys(table), sent: 'no' })
  }

  /** Nor has it a reader. */
  #uncastable(to: WireTarget, method: string): MethodKindError | undefined {
    if (!this.#traits(to, method)?.stream) return undefined
    return new MethodKindError({ target: to === 0 ? 'primary' : to, method, kind: 'stream', sent: 'no' })
  }

  #traits(to: WireTarget, method: string): MethodTraits | undefined {
    const { members, primaryMethods } = this.#options
    return to === 0 ? traitsOf(primaryMethods, method) : members.traits(to, method)
  }

  #stream(to: WireTarget, method: string, args: unknown, options: StreamOptions): Stream<unknown> {
    const { peer, timeouts } = this.#options
    const { timeout, idle, total, window, signal } = readStreamOptions(options, peer.streams.largestWindow)
    const values = readArgs(method, args)
    return peer.streams.open({
      to,
      method,
      payload: () => peer.encodeArgs(values, to, method),
      timeout: timeout ?? this.#traits(to, method)?.timeout ?? timeouts.call,
      idle: idle ?? timeouts.idle,
      total,
      window,
      signal,
    })
  }

  /** Whatever is wrong with it is told by the promise. */
  #call(to: WireTarget, method: string, args: unknown, options: CallOptions): Promise<unknown> {
    const { peer, timeouts } = this.#options
    try {
      const values = readArgs(method, args)
      const { timeout, signal, idempotencyKey } = options === NO_OPTIONS ? NO_OPTIONS : readCallOptions(options)
      const payload = peer.encodeArgs(values, to, method)
      return peer.caller.call({
        to,
        method,
        payload,
        timeout: timeout ?? this.#traits(to, method)?.timeout ?? timeouts.call,
        signal,
        idempotencyKey,
      })
    } catch (error) {
      return rejected(withoutOwnFrames(error))
    }
  }
}

/** Most calls have none. */
const NO_OPTIONS: CallOptions = Object.freeze({})
