import type { Payload } from '../../protocol/frames.js'
import type { ItemPayload } from '../../protocol/payload-forms.js'
import { sizeOfItem, sizeOfPayload } from '../../protocol/payload-size.js'

/** Frames in one write: enough for its price to vanish, few enough for several to be on their way, so that writer and reader work side by side. */
const BATCH_FRAMES = 64

/** Characters in one write: a batch of large frames would hold up whoever writes it, and whoever reads it. */
export const BATCH_SIZE = 256 * 1024

/** Characters that are written without waiting for the end of the turn: the other side reads them while this one makes the next. */
const AT_ONCE = 16 * 1024

/** The fields by which a frame may be large. */
interface Carrier {
  readonly kind: string
  readonly payload?: Payload
  readonly items?: readonly ItemPayload[]
}

/** The frames of one link that wait to be written, and how much they are, in characters. */
export class Outbox<Frame> {
  #frames: Frame[] = []
  #payloadSize = 0
  #itemSize = 0

  get length(): number {
    return this.#frames.length
  }

  /** Of their payloads, which `limits.linkBytes` bounds. */
  get payloadSize(): number {
    return this.#payloadSize
  }

  /** Of payloads, and of the items of streams, which have limits of their own. */
  get size(): number {
    return this.#payloadSize + this.#itemSize
  }

  /** There is enough for a write, so that the end of the turn need not be waited for. */
  get isDue(): boolean {
    return this.#frames.length >= BATCH_FRAMES || this.size >= AT_ONCE
  }

  add(frame: Frame): void {
    this.#frames.push(frame)
    this.#count(frame, 1)
  }

  /** Takes out what goes in the next write. */
  takeBatch(): Frame[] {
    const frames = this.#frames
    const length = this.#batchLength()
    const isAll = length === frames.length
    this.#frames = isAll ? [] : frames.slice(length)
    const batch = isAll ? frames : frames.slice(0, length)
    if (isAll) this.#payloadSize = this.#itemSize = 0
    else for (const frame of batch) this.#count(frame, -1)
    return batch
  }

  /** Takes out the oldest that matches. */
  take(matches: (frame: Frame) => boolean): Frame | undefined {
    const index = this.#frames.findIndex(matches)
    if (index < 0) return undefined
    const [frame] = this.#frames.splice(index, 1) as [Frame]
    this.#count(frame, -1)
    return frame
  }

  clear(): void {
    this.#frames = []
    this.#payloadSize = this.#itemSize = 0
  }

  #batchLength(): number {
    const most = Math.min(this.#frames.length, BATCH_FRAMES)
    if (this.size <= BATCH_SIZE) return most
    let size = 0
    for (let index = 0; index < most; index++) {
      size += sizeOfPayloadIn(this.#frames[index]) + sizeOfItemsIn(this.#frames[index])
      if (size > BATCH_SIZE && index > 0) return index
    }
    return most
  }

  #count(frame: Frame, times: 1 | -1): void {
    this.#payloadSize += times * sizeOfPayloadIn(frame)
    this.#itemSize += times * sizeOfItemsIn(frame)
  }
}

function sizeOfPayloadIn(frame: unknown): number {
  return sizeOfPayload((frame as Carrier).payload)
}

function sizeOfItemsIn(frame: unknown): number {
  const { kind, items } = frame as Carrier
  if (kind !== 'items' || !items) return 0
  let size = 0
  for (const item of items) size += sizeOfItem(item)
  return size
}
