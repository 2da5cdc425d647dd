import { FRESH_MEMORY, type PartMemory } from '../../../protocol/binary-parts.js'
import { isParts, type Payload } from '../../../protocol/payload-forms.js'
import type { Clock } from '../../clock.js'

/** Memory of fewer bytes costs hardly more than what it would take to keep it. */
const SMALLEST = 64 * 1024
/** Bytes that are kept at most: a few of the largest values that may be sent, on a process that has tens of megabytes. */
const KEPT_BYTES = 8 * 1024 * 1024
/** For so long without use: more than the pauses of a program that goes on sending, ms. */
const KEPT_FOR = 2_000

/**
 * Memory for the binary values that this process sends over links. New memory of a megabyte is slower to write to than the
 * value is to copy, and brings the collector nearer each time: so what a call was sent with is used again once it is answered,
 * which says that its target has read all of it. What ends otherwise may still be on its way, and is left to the collector.
 */
export class PartPool implements PartMemory {
  readonly #clock: Clock
  /** The smallest first. */
  #free: Buffer[] = []
  #kept = 0
  #isWatched = false
  #isUsed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  take(bytes: number): Buffer {
    if (bytes < SMALLEST) return FRESH_MEMORY.take(bytes)
    // Half of it unused at most.
    const index = this.#free.findIndex(({ length }) => length >= bytes && length <= 2 * bytes)
    if (index < 0) return FRESH_MEMORY.take(bytes)
    this.#isUsed = true
    return this.#remove(index).subarray(0, bytes)
  }

  /** Of a call that has been answered. */
  giveBack(payload: Payload): void {
    if (!isParts(payload)) return
    for (const part of payload.parts) {
      const memory = Buffer.from(part.buffer)
      if (memory.length < SMALLEST || memory.length > KEPT_BYTES) continue
      // What is sent now is what will be sent next.
      while (this.#kept + memory.length > KEPT_BYTES) this.#remove(this.#free.length - 1)
      const after = this.#free.findIndex(({ length }) => length > memory.length)
      this.#free.splice(after < 0 ? this.#free.length : after, 0, memory)
      this.#kept += memory.length
    }
    if (this.#kept > 0) this.#watch()
  }

  #remove(index: number): Buffer {
    const [memory] = this.#free.splice(index, 1) as [Buffer]
    this.#kept -= memory.length
    return memory
  }

  #watch(): void {
    if (this.#isWatched) return
    this.#isWatched = true
    this.#isUsed = false
    this.#clock.after(KEPT_FOR, () => this.#look(), { idle: true })
  }

  #look(): void {
    this.#isWatched = false
    if (this.#isUsed) return this.#watch()
    this.#free = []
    this.#kept = 0
  }
}
