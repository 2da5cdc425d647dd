import { linkEnded, type Receiver, type SendNowOptions, type Transport } from '../../protocol/transport.js'

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
  const { schedule = asMicrotask, copy = false } = options
  const left = new MemoryEnd<Up, Down>(schedule, copy)
  const right = new MemoryEnd<Down, Up>(schedule, copy)
  left.connect(right)
  right.connect(left)
  return [left, right]
}

const DONE = Promise.resolve()

/** As `queueMicrotask`, which makes a resource of node's each time. What is thrown is an uncaught exception here, too. */
const asMicrotask = (deliver: () => void): void => void DONE.then(deliver).catch(rethrow)

function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

class MemoryEnd<Out, In> implements Transport<Out, In> {
  /** In the same process nothing is ever kept waiting by a reader that does not read. */
  readonly full = false
  readonly held = 0
  #other: MemoryEnd<In, Out> | undefined
  #receiver: Receiver<In> | undefined
  /** Sent by the other end, not delivered yet. */
  #inbox: In[] = []
  /** Of those frames that came with one. */
  #handles = new Map<In, unknown>()
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
    this.#pass(frame, undefined)
  }

  sendNow(frame: Out, { handle, written }: SendNowOptions = {}): void {
    this.#pass(frame, handle)
    const error = this.#open ? undefined : linkEnded()
    if (written) queueMicrotask(() => written(error))
  }

  receive(receiver: Receiver<In>): void {
    this.#receiver = receiver
    if (this.#inbox.length > 0 || !this.#open) this.#wake()
  }

  flushed(): undefined {}

  /** What was sent is on its way already. */
  drop(): undefined {}

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
  accept(frame: In, handle: unknown): void {
    this.#inbox.push(frame)
    if (handle !== undefined) this.#handles.set(frame, handle)
    this.#wake()
  }

  #pass(frame: Out, handle: unknown): void {
    if (this.#open) this.#other?.accept(this.#copy ? (JSON.parse(JSON.stringify(frame)) as Out) : frame, handle)
  }

  #wake(): void {
    if (this.#scheduled || !this.#receiver) return
    this.#scheduled = true
    this.#schedule(this.#deliver)
  }

  readonly #deliver = (): void => {
    this.#scheduled = false
    const arrived = this.#inbox
    this.#inbox = []
    for (const frame of arrived) this.#receiver?.frame(frame, this.#handleOf(frame))
    if (this.#open || this.#told) return
    this.#told = true
    this.#receiver?.closed()
  }

  #handleOf(frame: In): unknown {
    if (this.#handles.size === 0) return undefined
    const handle = this.#handles.get(frame)
    this.#handles.delete(frame)
    return handle
  }
}
