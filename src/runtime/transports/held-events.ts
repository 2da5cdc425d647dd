import type { ReadPace } from './read-pace.js'

/** What a child process reports of its channel; it keeps its order, so that whoever waits makes all wait. */
const IN_ORDER = new Set<string | symbol>(['message', 'internalMessage', 'disconnect'])

/** What it reports of its end, which comes after all it has written. */
const AFTER_CHANNEL = new Set<string | symbol>(['exit', 'close'])

interface Held {
  readonly event: string | symbol
  readonly values: readonly unknown[]
}

export interface HeldEventsOptions {
  /** Shared by all the channels of this process. */
  readonly pace: Pick<ReadPace, 'spent' | 'later'>
  readonly deliver: (event: string | symbol, values: readonly unknown[]) => void
  /** Goes on reading the channel, or stops to. */
  readonly reading: (on: boolean) => void
}

/**
 * The events of one channel that wait for the next turn, because this one has had enough of them. At most the messages of
 * one chunk: nothing is read meanwhile.
 */
export class HeldEvents {
  readonly #options: HeldEventsOptions
  #held: Held[] = []
  /** The process has ended, and its channel may still hold what it wrote before. */
  #end: Held[] = []
  #scheduled = false
  /** It has been paused, so that there may be more to read than node knows of. */
  #behind = false
  /** All of it has been read. */
  #isOver = false

  constructor(options: HeldEventsOptions) {
    this.#options = options
  }

  /** True when it sees to the event, later or now with what has waited for it; false when that is left to the caller. */
  take(event: string | symbol, values: readonly unknown[]): boolean {
    if (this.#behind && AFTER_CHANNEL.has(event)) {
      this.#end.push({ event, values })
      return true
    }
    const waits = this.#held.length > 0 || this.#options.pace.spent
    if (waits && IN_ORDER.has(event)) {
      this.#held.push({ event, values })
      this.pause()
      return true
    }
    if (event !== 'disconnect' || !this.#behind) return false
    this.#deliverOne({ event, values })
    return true
  }

  /** Reads no more until the next turn. */
  pause(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#behind = true
    this.#options.reading(false)
    this.#options.pace.later(() => this.#resume())
  }

  /**
   * The channel has come to its end. Node tells of it by `disconnect`, but not while a handle that was sent has not been answered:
   * then what waits for that must not wait for ever.
   */
  ended(): void {
    this.#isOver = true
    if (!this.#behind || this.#scheduled) return
    // If it does tell, then before this.
    this.#scheduled = true
    this.#options.pace.later(() => this.#resume())
  }

  #resume(): void {
    this.#scheduled = false
    const held = this.#held
    let next = 0
    // One at least, however little time others have left.
    do this.#deliverOne(held[next++])
    while (next < held.length && !this.#options.pace.spent)
    this.#held = held.slice(next)
    if (this.#held.length > 0) this.pause()
    else if (this.#behind && this.#isOver) this.#finish()
    else if (this.#behind) this.#options.reading(true)
  }

  #deliverOne(held: Held | undefined): void {
    if (held === undefined) return
    this.#options.deliver(held.event, held.values)
    if (held.event === 'disconnect') this.#finish()
  }

  /** That was the last of the channel. */
  #finish(): void {
    this.#behind = false
    const end = this.#end
    this.#end = []
    for (const { event, values } of end) this.#options.deliver(event, values)
  }
}
