import { linkEnded, type Receiver, type SendNowOptions, type Transport } from '../../protocol/transport.js'
import { deferred } from '../deferred.js'
import type { ByteStream } from './byte-stream.js'
import type { StandInFor } from './ipc.js'
import { MessageTooLargeError } from './line-limit.js'
import { BATCH_SIZE, Outbox } from './outbox.js'
import { toBytes, type WrittenFrame, writeFrame } from './stream-batch.js'
import { CorruptBatch, StreamReader, type StreamReaderOptions } from './stream-reader.js'

export interface StreamOptions<In> extends StreamReaderOptions<In> {
  /** Frames that may wait, `limits.link`. */
  readonly limit: number
  /** Bytes of their payloads, `limits.linkBytes`. */
  readonly bytes: number
  readonly onUnsendable: (error: unknown) => void
  /** The other side has written what none of ours writes. The link ends. */
  readonly onCorrupt: (verdict: string) => void
}

/**
 * A link over a stream of bytes. Frames wait for the end of the turn, or until they are enough for a write; while
 * the stream takes no more they wait here, counted. Its reader can be told to wait: nothing is then read, and whoever writes is held up.
 */
export class StreamTransport<Out extends { readonly kind: string }, In> implements Transport<Out, In> {
  readonly #stream: ByteStream
  readonly #options: StreamOptions<In>
  readonly #standInFor: StandInFor<Out, In> | undefined
  #receiver: Receiver<In> | undefined
  readonly #outbox = new Outbox<Out>()
  #congested = false
  #scheduled = false
  #open = true
  #flush: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined
  readonly #reader: StreamReader<In>
  /** The last batch that has been read, and how many of its frames the receiver has. */
  #frames: readonly In[] = []
  #given = 0
  #delivering = false
  #held = false
  /** The stream has ended; told when all that came before has been given. */
  #ended = false
  /** By this side, which then hears nothing more but that. */
  #closed = false
  #told = false

  constructor(stream: ByteStream, options: StreamOptions<In>, standInFor?: StandInFor<Out, In>) {
    this.#stream = stream
    this.#options = options
    this.#standInFor = standInFor
    this.#reader = new StreamReader(options)
    stream.receive({
      data: (bytes) => {
        this.#reader.add(bytes)
        try {
          this.#deliver()
        } finally {
          this.#reader.keep()
        }
      },
      place: () => this.#reader.place(),
      placed: (count) => {
        this.#reader.placed(count)
        this.#deliver()
      },
      written: () => this.#written(),
      closed: () => this.#end(),
    })
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
    process.nextTick(() => {
      this.#scheduled = false
      this.#write()
    })
  }

  /** There are no handles on a stream of bytes. */
  sendNow(frame: Out, { written }: SendNowOptions = {}): void {
    if (this.#open) this.#sendBatch([frame])
    if (written) void Promise.resolve(this.flushed()).then(() => written(this.#open ? undefined : linkEnded()))
  }

  receive(receiver: Receiver<In>): void {
    this.#receiver = receiver
    this.#deliver()
  }

  /** Nothing is given to the receiver, from the next frame on. */
  hold(): void {
    this.#held = true
    this.#stream.pause()
  }

  release(): void {
    if (!this.#held) return
    this.#held = false
    this.#stream.resume()
    this.#deliver()
  }

  flushed(): Promise<void> | undefined {
    if (!this.#open || this.#isFlushed) return undefined
    this.#flush ??= deferred()
    return this.#flush.promise
  }

  drop(matches: (frame: Out) => boolean): Out | undefined {
    return this.#outbox.take(matches)
  }

  close(): void {
    if (!this.#open) return
    this.#congested = false
    this.#write()
    this.#stream.end()
    this.#closed = true
    this.#end()
  }

  get #isFlushed(): boolean {
    return this.#outbox.length === 0 && this.#stream.unwritten === 0
  }

  #write(): void {
    while (this.#outbox.length > 0 && !this.#congested && this.#open) this.#sendBatch(this.#outbox.takeBatch())
    if (this.#flush && this.#isFlushed) this.#settleFlush()
  }

  #sendBatch(frames: readonly Out[]): void {
    let batch: WrittenFrame[] = []
    let size = 0
    for (const frame of frames) {
      const written = this.#writeFrame(frame)
      if (!written) continue
      batch.push(written)
      size += written.text.length
      // What their payloads said of their size is not all: an error may be long.
      if (size <= BATCH_SIZE) continue
      this.#writeBatch(batch)
      batch = []
      size = 0
    }
    this.#writeBatch(batch)
  }

  #writeBatch(frames: readonly WrittenFrame[]): void {
    if (frames.length > 0 && !this.#stream.write(toBytes(frames))) this.#congested = true
  }

  /** One that cannot be written is replaced by word of that, and takes nobody with it. */
  #writeFrame(frame: Out): WrittenFrame | undefined {
    try {
      const written = writeFrame(frame)
      const { frameLimit } = this.#options
      if (written.text.length * 3 > frameLimit) check(written, frameLimit)
      return written
    } catch (error) {
      this.#options.onUnsendable(error)
      const { instead, back } = this.#standInFor?.(frame, error) ?? {}
      // Never while something is sent.
      if (back !== undefined) process.nextTick(() => this.#open && this.#receiver?.frame(back))
      return instead === undefined ? undefined : this.#writeFrame(instead)
    }
  }

  #written(): void {
    if (this.#stream.unwritten > 0) return
    this.#congested = false
    if (!this.#scheduled) this.#write()
    else if (this.#flush && this.#isFlushed) this.#settleFlush()
  }

  /** Gives what there is to the receiver, one frame after the other, as long as it may. */
  #deliver(): void {
    if (this.#delivering || !this.#receiver) return
    this.#delivering = true
    try {
      while (!this.#held && !this.#closed && this.#next()) {}
    } finally {
      this.#delivering = false
    }
    if (this.#ended && !this.#told && (this.#closed || !this.#held)) {
      this.#told = true
      this.#receiver.closed()
    }
  }

  /** Gives the frames that have been read, or reads the next batch. False when there is nothing more to do. */
  #next(): boolean {
    while (this.#given < this.#frames.length) {
      this.#receiver?.frame(this.#frames[this.#given++] as In)
      if (this.#closed || this.#held) return false
    }
    this.#frames = []
    this.#given = 0
    return this.#readBatch()
  }

  #readBatch(): boolean {
    try {
      const frames = this.#reader.next()
      if (frames) this.#frames = frames
      return frames !== undefined
    } catch (error) {
      if (!(error instanceof CorruptBatch)) throw error
      return this.#corrupt(error.message)
    }
  }

  #corrupt(what: string): false {
    this.#options.onCorrupt(`wrote ${what} to a direct link`)
    this.close()
    return false
  }

  /** The stream says that it is over; or this side does, and reads no more. */
  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#abandon()
    this.#deliver()
  }

  #abandon(): void {
    this.#open = false
    this.#outbox.clear()
    this.#settleFlush()
  }

  #settleFlush(): void {
    this.#flush?.resolve()
    this.#flush = undefined
  }
}

function check({ text }: WrittenFrame, limit: number): void {
  const size = Buffer.byteLength(text)
  if (size > limit) throw new MessageTooLargeError(size, limit)
}
