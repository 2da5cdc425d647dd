import type { Payload } from '../../protocol/frames.js'
import type { ItemPayload } from '../../protocol/payload-forms.js'
import { sizeOfItem, sizeOfPayload } from '../../protocol/payload-size.js'

/** Frames in one write: enough for its price to vanish, few enough for several to be on their way, so that writer and reader work side by side. */
const BATCH_FRAMES = 64

/** Characters in one write: a batch of large frames would hold up whoever writes it, and whoever reads it. */
export const BATCH_SIZE = 256 * 1024

/** Characters that are written without waiting for the end of the turn: the other side reads them while this one makes the next. */
export const AT_ONCE = 16 * 1024

/** The fields by which a frame may be large. */
interface Carrier {
  readonly kind: string
  readonly payload?: Payload
  readonly items?: readonly ItemPayload[]
}

export function sizeOfPayloadIn(frame: unknown): number {
  return sizeOfPayload((frame as Carrier).payload)
}

export function sizeOfItemsIn(frame: unknown): number {
  const { kind, items } = frame as Carrier
  if (kind !== 'items' || !items) return 0
  let size = 0
  for (const item of items) size += sizeOfItem(item)
  return size
}

/** How many of the frames that wait go in the next write. */
export function batchLength(frames: readonly unknown[]): number {
  let size = 0
  for (let index = 0; index < frames.length && index < BATCH_FRAMES; index++) {
    size += sizeOfPayloadIn(frames[index]) + sizeOfItemsIn(frames[index])
    if (size > BATCH_SIZE && index > 0) return index
  }
  return Math.min(frames.length, BATCH_FRAMES)
}
