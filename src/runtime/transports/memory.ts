import type { Receiver, Transport } from '../../protocol/transport.js'

/**
 * A link inside one process: what one end sends arrives at the other in a later turn of `schedule`, in order. The primary's
 * own messaging, a cluster of one and the simulator use it. `copy` is what a wire would do to a frame; without it the
 * other end gets the same object.
 */
export interface MemoryLinkOptions {
  /** When a batch is delivered. Default: as a microtask, before any I/O. */
  readonly schedule?: (deliver: () => void) => void
  readonly copy?: boolean
}

export function memoryLink<Up, Down>(
  options: MemoryLinkOptions = {},
): readonly [Transport<Up, Down>, Transport<Down, Up>] {
  const { schedule = queueMicrotask, copy = false } = options
  const left = new MemoryEnd<Up, Down>(schedule, copy)
  const right = new MemoryEnd<Down, Up>(schedule, copy)
  left.connect(right)
  right.connect(left)
  return [left, right]
}

class MemoryEnd<Out, In> implements Transport<Out, In> {
  /** In the same process nothing is ever kept waiting by a reader that does not read. */
  readonly full = false
  #other: MemoryEnd<In, Out> | undefined
  #receiver: Receiver<In> | undefined
  /** Sent by the other end, not delivered yet. */
  #inbox: In[] = []
  #scheduled = false
  #open = true
  /** The receiver knows of the end. */
  #told = false

  readonly #schedule: (deliver: () => void) => void
  readonly #copy: boolean

  constructor(schedule: (deliver: () => void) => void, copy: boolean) {
    this.#schedule = schedule
    this.#copy = copy
  }

  connect(other: MemoryEnd<In, Out>): void {
    this.#other = other
  }

  send(frame: Out): void {
    if (this.#open) this.#other?.accept(this.#copy ? (JSON.parse(JSON.stringify(frame)) as Out) : frame)
  }

  receive(receiver: Receiver<In>): void {
    this.#receiver = receiver
    if (this.#inbox.length > 0 || !this.#open) this.#wake()
  }

  async flushed(): Promise<void> {}

  close(): void {
    this.end()
    this.#other?.end()
  }

  /** What was sent before the end still arrives, and before `closed`. */
  end(): void {
    if (!this.#open) return
    this.#open = false
    this.#wake()
  }

  /** Called by the other end. */
  accept(frame: In): void {
    this.#inbox.push(frame)
    this.#wake()
  }

  #wake(): void {
    if (this.#scheduled || !this.#receiver) return
    this.#scheduled = true
    this.#schedule(() => {
      this.#scheduled = false
      this.#deliver()
    })
  }

  #deliver(): void {
    const frames = this.#inbox
    this.#inbox = []
    for (const frame of frames) this.#receiver?.frame(frame)
    if (this.#open || this.#told) return
    this.#told = true
    this.#receiver?.closed()
  }
}
