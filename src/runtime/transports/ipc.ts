import { isBatch, type ReadBatch, writeBatch } from '../../protocol/codec.js'
import type { Batch } from '../../protocol/frames.js'
import { linkEnded, type Receiver, type SendNowOptions, type Transport } from '../../protocol/transport.js'
import { deferred } from '../deferred.js'
import { closeHandle } from './channel-handle.js'
import { Outbox } from './outbox.js'

/** What is listened to: all that comes below the messages of the program. */
export type InternalListener = (message: unknown, handle?: unknown) => void

/** What is used of node's channel: a `ChildProcess`, `process` in a child, or `NodeChannel` over either. */
export interface IpcChannel {
  readonly connected?: boolean | undefined
  /**
   * Calls back when the message is in the pipe, or cannot be: perhaps before this returns, but never before it returns false. Who is
   * told that it takes no more waits for the callback.
   */
  send?(message: unknown, handle: unknown, options: undefined, callback: (error: Error | null) => void): boolean
  on(event: 'internalMessage', listener: InternalListener): unknown
  on(event: 'disconnect', listener: () => void): unknown
}

export interface IpcOptions<In> {
  readonly read: (batch: Batch<unknown>) => ReadBatch<In>
  /** Frames that may wait, `limits.link`. */
  readonly limit: number
  /** Bytes of their payloads, `limits.linkBytes`. */
  readonly bytes: number
  /** Called with how many frames of a batch were malformed, when any were. */
  readonly onMalformed: (count: number) => void
  /** Called when a frame could not be written: it is no JSON, or too large. */
  readonly onUnsendable: (error: unknown) => void
}

/** For a frame that could not be written: what is sent in its place, what is delivered here as if the other side had answered. */
export type StandInFor<Out, In> = (frame: Out, error: unknown) => { readonly instead?: Out; readonly back?: In }

/**
 * A link over Node's IPC channel. The primary holds one per child process, a worker holds one over `process`.
 *
 * Frames wait for the end of the turn, or until they are enough for a write, and leave in one write of the channel. While the channel
 * does not take more (`send` returned false), they wait here, counted, until it has written what it has: Node itself would
 * queue without end.
 */
export class IpcTransport<Out, In> implements Transport<Out, In> {
  readonly #channel: IpcChannel
  readonly #options: IpcOptions<In>
  /** Without it, whoever waits for such a frame waits until its deadline. */
  readonly #standInFor: StandInFor<Out, In> | undefined
  #receiver: Receiver<In> | undefined
  /** Not yet given to the channel. */
  readonly #outbox = new Outbox<Out>()
  /** Given to the channel in a `send` that said it is congested, until its callback. */
  #congested = false
  /** Messages that the channel has taken and not called back for: when it has for the last one, a congestion is over. */
  #unwritten = 0
  #scheduled = false
  #open = true
  /** Of all who wait until everything is written. */
  #flush: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined
  /** Arrived before `receive` was called. */
  #early: { readonly frame: In; readonly handle: unknown }[] = []

  constructor(channel: IpcChannel, options: IpcOptions<In>, standInFor?: StandInFor<Out, In>) {
    this.#standInFor = standInFor
    this.#channel = channel
    this.#options = options
    channel.on('internalMessage', (message, handle) => this.#take(message, handle))
    channel.on('disconnect', () => this.#end())
  }

  get full(): boolean {
    const { limit, bytes } = this.#options
    return this.#outbox.length >= limit || this.#outbox.payloadSize >= bytes
  }

  get held(): number {
    return this.#outbox.size
  }

  send(frame: Out): void {
    if (!this.#open) return
    this.#outbox.add(frame)
    if (this.#congested) return
    if (this.#outbox.isDue) return this.#write()
    if (this.#scheduled) return
    this.#scheduled = true
    process.nextTick(this.#writeNow)
  }

  sendNow(frame: Out, { handle, written }: SendNowOptions = {}): void {
    if (!this.#open) return void (written && process.nextTick(written, linkEnded()))
    let isTold = false
    const tell = (error: Error | null): void => {
      isTold = true
      written?.(error ?? undefined)
      if (error && handle !== undefined && this.#open) this.#receiver?.handleLost?.()
    }
    try {
      this.#channel.send?.(writeBatch([frame]), handle, undefined, tell)
    } catch (error) {
      // What `written` throws is no failure to send.
      if (isTold) throw error
      if ((error as NodeJS.ErrnoException).code !== 'ERR_IPC_CHANNEL_CLOSED') this.#replace(frame, error)
      process.nextTick(tell, error ?? new Error('cannot be sent'))
    }
  }

  receive(receiver: Receiver<In>): void {
    const ended = !this.#open
    this.#receiver = receiver
    const early = this.#early
    this.#early = []
    for (const { frame, handle } of early) {
      receiver.frame(frame, handle)
      if (!ended && !this.#open) return // The frame led to the end, which has been reported.
    }
    if (ended) receiver.closed()
  }

  flushed(): Promise<void> | undefined {
    if (!this.#open || (this.#outbox.length === 0 && !this.#congested)) return undefined
    this.#flush ??= deferred()
    return this.#flush.promise
  }

  drop(matches: (frame: Out) => boolean): Out | undefined {
    return this.#outbox.take(matches)
  }

  close(): void {
    this.#write()
    this.#end()
  }

  readonly #writeNow = (): void => {
    this.#scheduled = false
    this.#write()
  }

  #write(): void {
    while (this.#outbox.length > 0 && !this.#congested && this.#open)
      if (!this.#sendBatch(this.#outbox.takeBatch())) this.#congested = true
    if (!this.#congested) this.#settleFlushes()
  }

  /** False when the channel takes no more for now. */
  #sendBatch(frames: readonly Out[]): boolean {
    this.#unwritten++
    try {
      // The callback is what keeps a closed channel from throwing in the primary (nodejs/node#32106): its error is the
      // end of the link, which `disconnect` or `exit` reports better.
      return this.#channel.send?.(writeBatch(frames), undefined, undefined, this.#written) ?? true
    } catch (error) {
      if (!this.#open || (error as NodeJS.ErrnoException).code === 'ERR_IPC_CHANNEL_CLOSED') return true
      // Nothing was written, so that no callback comes.
      this.#unwritten--
      return this.#sendApart(frames, error)
    }
  }

  /** One frame that cannot be written must not take its neighbours with it. */
  #sendApart(frames: readonly Out[], error: unknown): boolean {
    const [frame] = frames as readonly [Out]
    if (frames.length === 1) return this.#replace(frame, error)
    const middle = frames.length >> 1
    const first = this.#sendBatch(frames.slice(0, middle))
    return this.#sendBatch(frames.slice(middle)) && first
  }

  /**
   * Whoever waits for an answer gets one at once, of this side or the other. It takes the frame's place: what was sent after
   * items that could not be written must not be read as if they had come.
   */
  #replace(frame: Out, error: unknown): boolean {
    this.#options.onUnsendable(error)
    const { instead, back } = this.#standInFor?.(frame, error) ?? {}
    // Never while something is sent.
    if (back !== undefined) process.nextTick(() => this.#open && this.#deliver(back, undefined))
    return instead === undefined || this.#sendBatch([instead])
  }

  readonly #written = (): void => {
    this.#unwritten--
    if (!this.#congested || this.#unwritten > 0) return
    this.#congested = false
    this.#write()
  }

  #take(message: unknown, handle: unknown): void {
    // All that node has for its own listeners comes here too.
    if (!this.#open) return isBatch(message) ? closeHandle(handle) : undefined
    if (!isBatch(message)) {
      if (isLostHandle(message)) this.#receiver?.handleLost?.()
      return
    }
    const { frames, malformed } = this.#options.read(message)
    if (malformed > 0) this.#options.onMalformed(malformed)
    // Whoever gets a frame owns the handle that came with it.
    if (frames.length === 0) closeHandle(handle)
    for (const frame of frames) {
      if (!this.#open) return // One of them led to the end.
      this.#deliver(frame, handle)
    }
  }

  #deliver(frame: In, handle: unknown): void {
    if (this.#receiver) this.#receiver.frame(frame, handle)
    else this.#early.push({ frame, handle })
  }

  #end(): void {
    if (!this.#open) return
    this.#open = false
    this.#outbox.clear()
    this.#settleFlushes()
    this.#receiver?.closed()
  }

  #settleFlushes(): void {
    this.#flush?.resolve()
    this.#flush = undefined
  }
}

/** Node's own word that a message with a handle arrived without it. */
function isLostHandle(message: unknown): boolean {
  return (message as { cmd?: unknown } | null)?.cmd === 'NODE_HANDLE_NACK'
}
