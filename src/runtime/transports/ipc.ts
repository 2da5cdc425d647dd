import { isBatch, type ReadBatch, writeBatch } from '../../protocol/codec.js'
import type { Batch } from '../../protocol/frames.js'
import type { Receiver, Transport } from '../../protocol/transport.js'

/**
 * A link over Node's IPC channel. The primary holds one per child process, a worker holds one over `process`.
 *
 * Frames written in one turn of the event loop leave in one `process.send`. While the channel does not take more (`send`
 * returned false), frames wait here, counted, until it has written what it has: Node itself would queue without end.
 */
export interface IpcChannel {
  readonly connected?: boolean | undefined
  send?(message: unknown, handle: undefined, options: undefined, callback: (error: Error | null) => void): boolean
  on(event: 'internalMessage', listener: (message: unknown) => void): unknown
  on(event: 'disconnect', listener: () => void): unknown
}

export interface IpcOptions<In> {
  readonly read: (batch: Batch<unknown>) => ReadBatch<In>
  /** Frames that may wait, `limits.link`. */
  readonly limit: number
  /** Called with how many frames of a batch were malformed, when any were. */
  readonly onMalformed: (count: number) => void
  /** Called when a frame could not be turned into JSON. It is lost; its call ends at its deadline. */
  readonly onUnsendable: (error: unknown) => void
}

/** Frames in one `process.send`: enough for the price of a write to vanish, few enough for one JSON text to hold them. */
const BATCH_FRAMES = 64

export class IpcTransport<Out, In> implements Transport<Out, In> {
  readonly #channel: IpcChannel
  readonly #options: IpcOptions<In>
  #receiver: Receiver<In> | undefined
  /** Not yet given to the channel. */
  #waiting: Out[] = []
  /** Given to the channel in a `send` that said it is congested, until its callback. */
  #congested = false
  /** How many `send`s so far: only the last one's callback ends a congestion. */
  #sends = 0
  #scheduled = false
  #open = true
  #flushes: (() => void)[] = []
  /** Arrived before `receive` was called. */
  #early: In[] = []

  constructor(channel: IpcChannel, options: IpcOptions<In>) {
    this.#channel = channel
    this.#options = options
    channel.on('internalMessage', (message) => this.#take(message))
    channel.on('disconnect', () => this.#end())
  }

  get full(): boolean {
    return this.#waiting.length >= this.#options.limit
  }

  send(frame: Out): void {
    if (!this.#open) return
    this.#waiting.push(frame)
    if (this.#scheduled || this.#congested) return
    this.#scheduled = true
    process.nextTick(() => {
      this.#scheduled = false
      this.#write()
    })
  }

  receive(receiver: Receiver<In>): void {
    const ended = !this.#open
    this.#receiver = receiver
    const early = this.#early
    this.#early = []
    for (const frame of early) {
      receiver.frame(frame)
      if (!ended && !this.#open) return // The frame led to the end, which has been reported.
    }
    if (ended) receiver.closed()
  }

  flushed(): Promise<void> {
    if (!this.#open || (this.#waiting.length === 0 && !this.#congested)) return Promise.resolve()
    return new Promise((resolve) => this.#flushes.push(resolve))
  }

  close(): void {
    this.#write()
    this.#end()
  }

  #write(): void {
    while (this.#waiting.length > 0 && !this.#congested && this.#open) {
      const batch = this.#waiting.slice(0, BATCH_FRAMES)
      this.#waiting = this.#waiting.slice(batch.length)
      if (!this.#sendBatch(batch)) this.#congested = true
    }
    if (!this.#congested) this.#settleFlushes()
  }

  /** False when the channel takes no more for now. */
  #sendBatch(frames: readonly Out[]): boolean {
    const send = ++this.#sends
    try {
      // The callback is what keeps a closed channel from throwing in the primary (nodejs/node#32106): its error is the
      // end of the link, which `disconnect` or `exit` reports better.
      const taken = this.#channel.send?.(writeBatch(frames), undefined, undefined, () => {
        if (send === this.#sends) this.#written()
      })
      return taken ?? true
    } catch (error) {
      if (!this.#open || (error as NodeJS.ErrnoException).code === 'ERR_IPC_CHANNEL_CLOSED') return true
      return this.#sendApart(frames, error)
    }
  }

  /** One frame that cannot be written must not take its neighbours with it. */
  #sendApart(frames: readonly Out[], error: unknown): boolean {
    if (frames.length === 1) {
      this.#options.onUnsendable(error)
      return true
    }
    const middle = frames.length >> 1
    const first = this.#sendBatch(frames.slice(0, middle))
    return this.#sendBatch(frames.slice(middle)) && first
  }

  #written(): void {
    if (!this.#congested) return
    this.#congested = false
    this.#write()
  }

  #take(message: unknown): void {
    if (!this.#open || !isBatch(message)) return
    const { frames, malformed } = this.#options.read(message)
    if (malformed > 0) this.#options.onMalformed(malformed)
    for (const frame of frames) {
      if (!this.#open) return // One of them led to the end.
      if (this.#receiver) this.#receiver.frame(frame)
      else this.#early.push(frame)
    }
  }

  #end(): void {
    if (!this.#open) return
    this.#open = false
    this.#waiting = []
    this.#settleFlushes()
    this.#receiver?.closed()
  }

  #settleFlushes(): void {
    const flushes = this.#flushes
    this.#flushes = []
    for (const resolve of flushes) resolve()
  }
}
