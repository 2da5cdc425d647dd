import type { Channel, UntypedContract } from '../../src/protocol/contract.js'
import { currentCall } from '../../src/runtime/messaging/call-context.js'
import type { Messenger } from '../../src/runtime/messaging/messenger.js'
import type { Random } from '../../src/testing/random.js'
import type { Ask, ReadAsk } from './asks.js'
import type { Ledger, Operation, Reading } from './ledger.js'
import { Listener, type News } from './listener.js'
import { LOAD, Methods, type Task } from './methods.js'
import type { Place } from './places.js'

/** The router closes a receipt at its deadline; a publisher that hears nothing of it waits so much longer, ms. */
const RECEIPT_GRACE = 1_000

/** One process's part in the workload: it calls, reads, publishes and hears, and writes all of it down. */
export class Actor {
  /** What it runs for others. */
  readonly methods: object
  readonly #place: Place
  readonly #ledger: Ledger
  readonly #random: Random
  #messenger: Messenger<UntypedContract> | undefined
  #listener: Listener | undefined

  constructor(place: Place, ledger: Ledger, random: Random) {
    this.#place = place
    this.#ledger = ledger
    this.#random = random
    this.methods = new Methods(place, ledger, (ask) => this.ask(ask)).table
  }

  /** From here on it can call. */
  join(messenger: Messenger<UntypedContract>): void {
    this.#messenger = messenger
    this.#listener = new Listener(this.#place, this.#ledger, messenger)
  }

  /** Does `count` things at random times until `ms` from now. */
  work(count: number, ms: number, next: (actor: Actor, random: Random) => void): void {
    for (let n = 0; n < count; n++) this.#place.after(this.#random.between(0, ms), () => next(this, this.#random))
  }

  ask(ask: Ask | ReadAsk): Promise<unknown> {
    return 'items' in ask ? this.read(ask) : this.call(ask)
  }

  async call({ to, method, timeout, ms, abortAfter, key, oversized, nested }: Ask): Promise<unknown> {
    const messenger = this.#messenger
    if (!messenger) return undefined
    const operation = this.#open({ kind: 'call', to, method, deadline: this.#deadline(timeout), key, oversized })
    const signal = this.#abortable(operation, abortAfter)
    const load = oversized === 'question' ? LOAD : undefined
    const task: Task = { tag: operation.tag, ms, key, nested, load, givesLoad: oversized === 'answer' }
    return await this.#watch(operation, messenger.call(to, method, [task], { timeout, signal, idempotencyKey: key }))
  }

  /** Reads a stream of numbers, `leaveAfter` of them at most, and writes down what came. */
  async read(ask: ReadAsk): Promise<Reading | undefined> {
    const messenger = this.#messenger
    if (!messenger) return undefined
    const { to, method, ms, items, fails, timeout, idle, total, window, abortAfter, oversized } = ask
    const reading: Reading = {
      items,
      fails,
      timeout,
      idle,
      came: [],
      asks: [],
      end: undefined,
      returned: undefined,
      more: false,
    }
    const deadline = this.#deadline(total ?? Number.POSITIVE_INFINITY)
    const operation = this.#open({ kind: 'stream', to, method, deadline, oversized, reading })
    const signal = this.#abortable(operation, abortAfter)
    const task: Task = { tag: operation.tag, ms, items, fails, givesLoad: oversized !== undefined }
    const stream = messenger.stream(to, method, [task], { timeout, idle, total, window, signal })
    return await this.#watch(operation, this.#readAll(stream, operation.deadline, reading, ask))
  }

  async #readAll(
    stream: AsyncIterator<unknown>,
    deadline: number,
    reading: Reading,
    { leaveAfter, pause }: ReadAsk,
  ): Promise<Reading> {
    const { came, asks } = reading
    const now = (): number => this.#place.now()
    try {
      for (;;) {
        const ask = { at: now(), answeredAt: Number.POSITIVE_INFINITY }
        asks.push(ask)
        const { done, value } = await stream.next().finally(() => {
          ask.answeredAt = now()
        })
        if (done) {
          reading.end = 'done'
          reading.returned = value
          return reading
        }
        came.push(value === LOAD ? reading.items - 1 : (value as number))
        if (came.length === leaveAfter) {
          reading.end = 'left'
          await stream.return?.()
          return reading
        }
        // A slow reader, but one that looks up in time.
        const rest = Math.min(pause, deadline - now())
        if (came.length % 5 === 0 && rest > 0) await this.#place.sleep(rest)
      }
    } catch (error) {
      reading.end = 'failed'
      throw error
    } finally {
      const { done, value } = await stream.next()
      reading.more = done !== true || value !== undefined
    }
  }

  cast(to: number | 'any' | 'primary', method: string, ms: number): void {
    const operation = this.#open({ kind: 'cast', to, method, deadline: Number.POSITIVE_INFINITY })
    const task: Task = { tag: operation.tag, ms }
    void this.#watch(operation, this.#messenger?.cast(to, method, [task])).catch(() => {})
  }

  async callAll(method: string, timeout: number): Promise<Map<number, PromiseSettledResult<unknown>>> {
    const operation = this.#open({ kind: 'callAll', to: 'all', method, deadline: this.#place.now() + timeout })
    const task: Task = { tag: operation.tag, ms: 1 }
    const all = this.#messenger?.callAll(method, [task], { timeout })
    return (await this.#watch(operation, all)) as Map<number, PromiseSettledResult<unknown>>
  }

  async publish(
    channel: Channel<News>,
    { ack, ms, fail, timeout }: { ack: boolean; ms: number; fail: boolean; timeout: number },
  ): Promise<unknown> {
    const operation = this.#open({
      kind: 'publish',
      to: 'all',
      method: ack ? 'ack' : 'tell',
      channel: channel.name,
      deadline: ack ? this.#place.now() + timeout + RECEIPT_GRACE : Number.POSITIVE_INFINITY,
    })
    const message = { tag: operation.tag, ms, fail }
    return await this.#watch(operation, this.#messenger?.publish(channel, message, ack ? { ack, timeout } : {}))
  }

  /** Stops to hear, or begins again. */
  toggleSubscription(channel: Channel<News>): void {
    this.#listener?.toggle(channel)
  }

  #open(operation: Omit<Operation, 'tag' | 'from' | 'sentAt' | 'abortedAt' | 'settlements'>): Operation {
    return this.#ledger.open({ ...operation, from: this.#place.incarnation, sentAt: this.#place.now() })
  }

  /** A method that went on for too long may still ask, and is refused at once. */
  #deadline(timeout: number): number {
    const now = this.#place.now()
    return Math.max(now, Math.min(now + timeout, currentCall().deadline))
  }

  /** Writes down when it is given up: by its own signal, or with the call that it is made in. */
  #abortable(operation: Operation, abortAfter: number | undefined): AbortSignal | undefined {
    const context = currentCall()
    const abort = (): void => {
      operation.abortedAt ??= this.#place.now()
    }
    if (context.signal.aborted) abort()
    else if (context.method !== undefined) context.signal.addEventListener('abort', abort, { once: true })
    if (abortAfter === undefined) return undefined
    const controller = new AbortController()
    this.#place.after(abortAfter, () => {
      abort()
      controller.abort()
    })
    return controller.signal
  }

  async #watch<T>(operation: Operation, promise: Promise<T> | undefined): Promise<T | undefined> {
    try {
      const value = await promise
      operation.settlements.push({ at: this.#place.now(), value })
      return value
    } catch (error) {
      operation.settlements.push({ at: this.#place.now(), error })
      throw error
    }
  }
}
