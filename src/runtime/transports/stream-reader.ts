import type { ReadBatch } from '../../protocol/codec.js'
import { Chunks } from './chunks.js'
import { BATCH_SIZE } from './outbox.js'
import { HEADER, placeParts } from './stream-batch.js'

export interface StreamReaderOptions<In> {
  readonly read: (frames: unknown) => ReadBatch<In>
  /** Bytes of one frame as it is written. */
  readonly frameLimit: number
  /** Called with how many frames of a batch were malformed, when any were. */
  readonly onMalformed: (count: number) => void
}

/** A batch whose parts are still coming: each is put in its place as it comes, while the other side writes the rest. */
interface Incomplete {
  readonly frames: readonly unknown[]
  readonly parts: readonly Uint8Array[]
  /** Which part is next, and how much of it has come. */
  index: number
  filled: number
}

/** No worker of ours writes that. What is wrong with it, from "a batch …" on. */
export class CorruptBatch extends Error {}

/** A part of which less is missing is copied: it arrives together with what follows it. */
const WORTH_ITS_READ = 16 * 1024

/** Read at once: a third of what the kernel holds for a unix socket, so that whoever writes goes on while this side reads. */
export const READ_SIZE = 64 * 1024

/** Makes batches of frames of the bytes that come (`stream-batch.ts`). */
export class StreamReader<In> {
  readonly #options: StreamReaderOptions<In>
  readonly #arrived = new Chunks()
  #incomplete: Incomplete | undefined

  constructor(options: StreamReaderOptions<In>) {
    this.#options = options
  }

  add(bytes: Buffer): void {
    this.#arrived.add(bytes)
  }

  /** The memory of the bytes that were added last is about to be used again. */
  keep(): void {
    this.#arrived.keep()
  }

  /** Where the next bytes belong, when that is known and they are many. */
  place(): Uint8Array | undefined {
    const batch = this.#incomplete
    const part = batch?.parts[batch.index]
    if (!batch || !part || this.#arrived.length > 0 || part.length - batch.filled < WORTH_ITS_READ) return undefined
    return part.subarray(batch.filled, batch.filled + READ_SIZE)
  }

  /** So many bytes have come to the place that was given last. */
  placed(count: number): void {
    if (this.#incomplete) this.#incomplete.filled += count
  }

  /** The frames of the next batch, once it is there as a whole. Throws `CorruptBatch`. */
  next(): readonly In[] | undefined {
    this.#incomplete ??= this.#begin()
    return this.#incomplete && this.#fill(this.#incomplete)
  }

  #begin(): Incomplete | undefined {
    const arrived = this.#arrived
    if (arrived.length < HEADER) return undefined
    const [textLength, partsLength] = [arrived.peek(0), arrived.peek(4)]
    // Twice, because a batch is closed by the frame that is too much for it.
    const most = 2 * this.#options.frameLimit + BATCH_SIZE * 3
    if (textLength + partsLength > most) throw new CorruptBatch(`a batch of ${textLength + partsLength} bytes`)
    if (arrived.length < HEADER + textLength) return undefined
    arrived.skip(HEADER)
    try {
      const frames: unknown = JSON.parse(arrived.takeText(textLength))
      if (!Array.isArray(frames)) throw new Error('is no list of frames')
      return { frames, parts: placeParts(frames, partsLength), index: 0, filled: 0 }
    } catch (error) {
      throw new CorruptBatch(`a batch that ${(error as Error).message}`)
    }
  }

  #fill(batch: Incomplete): readonly In[] | undefined {
    for (; batch.index < batch.parts.length; batch.index++) {
      const part = batch.parts[batch.index] as Uint8Array
      batch.filled = this.#arrived.takeInto(part, batch.filled)
      if (batch.filled < part.length) return undefined
      batch.filled = 0
    }
    this.#incomplete = undefined
    const { frames, malformed } = this.#options.read(batch.frames)
    if (malformed > 0) this.#options.onMalformed(malformed)
    return frames
  }
}
