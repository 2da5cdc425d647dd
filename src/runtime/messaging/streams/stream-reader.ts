import type { CreditFrame, ItemsFrame, Payload, StreamRoom } from '../../../protocol/frames.js'
import type { ItemPayload } from '../../../protocol/payload-forms.js'
import { sizeOfItem } from '../../../protocol/payload-size.js'
import type { Clock, Timer } from '../../clock.js'
import { type Arrival, StreamWindow } from './stream-window.js'

/** How a stream ends: its generator returned, or an error, made where it is thrown so that the stack is the reader's. */
export type StreamEnd =
  | { readonly kind: 'returned'; readonly payload: Payload }
  | { readonly kind: 'failed'; readonly error: () => Error }

/** What one `next()` gets. After the end there is `nothing`, for as often as somebody asks. */
export type Taken =
  | { readonly kind: 'item'; readonly item: ItemPayload; readonly index: number }
  | StreamEnd
  | { readonly kind: 'nothing' }

/** What ran out: an item did not come, nobody asked for one, or the whole took too long. */
export type StreamRule = 'item' | 'idle' | 'total'

export interface StreamReaderOptions {
  readonly room: StreamRoom
  readonly clock: Clock
  /** Longest wait for an item, ms. */
  readonly timeout: number
  /** Longest time that nobody asks for one, ms. */
  readonly idle: number
  /** When it has to be over, on the clock. Infinity: no such time. */
  readonly deadline: number
  readonly credit: (taken: Pick<CreditFrame, 'items' | 'bytes'>) => void
  /** And when that was due, on the clock. */
  readonly expired: (rule: StreamRule, due: number) => void
}

const NOTHING: Taken = { kind: 'nothing' }

/**
 * The items of one stream that have arrived and that nobody has taken, or those who wait for one; never both. Says when
 * the sender may send more. Every wait in it is bounded by a timer, so that whoever asks is always answered.
 */
export class StreamReader {
  readonly #options: StreamReaderOptions
  readonly #window: StreamWindow
  readonly #total: Timer | undefined
  #items: ItemPayload[] = []
  /** How many of `#items` have been taken. */
  #head = 0
  #asking: ((taken: Taken) => void)[] = []
  /** Comes after the items. */
  #end: Taken | undefined
  #taken = 0
  #takenBytes = 0
  /** Of whoever asks; undefined when he has waited too long. */
  #waitTimer: Timer | undefined
  #idleTimer: Timer | undefined
  /** When somebody last asked, or last got what he had asked for. */
  #lastAsked: number

  constructor(options: StreamReaderOptions) {
    this.#options = options
    this.#window = new StreamWindow(options.room)
    const { clock, deadline } = options
    this.#lastAsked = clock.now()
    this.#total =
      deadline === Number.POSITIVE_INFINITY
        ? undefined
        : clock.after(deadline - this.#lastAsked, () => options.expired('total', deadline), { idle: true })
    this.#watchIdle(options.idle)
  }

  /** Items that have arrived since the beginning. */
  get arrived(): number {
    return this.#window.sent
  }

  /** Is it still so, what `expired` said? Something may have arrived since. */
  isLate(rule: StreamRule): boolean {
    return rule !== 'item' || (this.#asking.length > 0 && this.#waitTimer === undefined)
  }

  /** The next item, or the end; whoever asks when there is none is answered in turn. */
  take(): Taken | Promise<Taken> {
    if (this.#head < this.#items.length) {
      const item = this.#items[this.#head++] as ItemPayload
      if (this.#head === this.#items.length) this.#clear()
      this.#lastAsked = this.#options.clock.now()
      return this.#count(item)
    }
    if (this.#end) {
      const end = this.#end
      this.#end = NOTHING
      return end
    }
    return new Promise((resolve) => {
      this.#asking.push(resolve)
      if (this.#asking.length === 1) this.#watchWait()
    })
  }

  /** Items from the sender. The caller ends the stream when they do not fit. */
  accept(frame: ItemsFrame): Arrival {
    if (this.#end) return 'repeated'
    const arrival = this.#window.accept(frame)
    if (arrival !== 'next') return arrival
    for (const item of frame.items) {
      const ask = this.#asking.shift()
      if (ask) ask(this.#count(item))
      else this.#items.push(item)
    }
    this.#waitTimer?.cancel()
    if (this.#asking.length > 0) this.#watchWait()
    else this.#rest()
    return 'next'
  }

  /** The end, after the items that have arrived; `atOnce` instead of them. Only the first one counts. */
  finish(end: StreamEnd | undefined, atOnce: boolean): void {
    if (this.#end) return
    this.#total?.cancel()
    this.#waitTimer?.cancel()
    this.#idleTimer?.cancel()
    if (atOnce) this.#clear()
    const [first, ...others] = this.#asking
    this.#asking = []
    this.#end = first ? NOTHING : (end ?? NOTHING)
    first?.(end ?? NOTHING)
    for (const ask of others) ask(NOTHING)
  }

  /** The reader wants no more: what has arrived is dropped, and there is nothing after it. */
  leave(): void {
    this.finish(undefined, true)
    this.#clear()
    this.#end = NOTHING
  }

  #clear(): void {
    this.#items = []
    this.#head = 0
  }

  #count(item: ItemPayload): Taken {
    const index = this.#taken++
    this.#takenBytes += sizeOfItem(item)
    // Half of the room is enough to keep a fast sender going while the credit is on its way.
    const { items, bytes } = this.#options.room
    const { credited, creditedBytes } = this.#window
    const due = 2 * (this.#taken - credited) >= items || 2 * (this.#takenBytes - creditedBytes) >= bytes
    if (due && !this.#end) {
      const taken = { items: this.#taken, bytes: this.#takenBytes }
      this.#window.credit(taken)
      this.#options.credit(taken)
    }
    return { kind: 'item', item, index }
  }

  /** Keeps the process alive, as everything does that somebody waits for. */
  #watchWait(): void {
    const { clock, timeout, expired } = this.#options
    const due = clock.now() + timeout
    this.#waitTimer = clock.after(timeout, () => {
      this.#waitTimer = undefined
      expired('item', due)
    })
  }

  #rest(): void {
    this.#lastAsked = this.#options.clock.now()
    if (!this.#idleTimer) this.#watchIdle(this.#options.idle)
  }

  /** One timer for many items: it looks, when it fires, how long ago the last one was asked for. */
  #watchIdle(ms: number): void {
    const { clock, idle, expired } = this.#options
    this.#idleTimer = clock.after(
      ms,
      () => {
        this.#idleTimer = undefined
        if (this.#asking.length > 0) return
        const due = this.#lastAsked + idle
        const left = due - clock.now()
        if (left > 0) this.#watchIdle(left)
        else expired('idle', due)
      },
      { idle: true },
    )
  }
}
