import { isObject } from './frame-checks.js'
import { downShapes, type Shapes, upShapes } from './frame-shapes.js'
import { BATCH_TAG, type Batch, type DownFrame, HANDLE_RECEIPT, type UpFrame } from './frames.js'

/**
 * What may be believed of a message from the channel. The other side is one of our own processes, but it may be another
 * version, or a bug may have written to its channel: whatever is not a well-formed frame is left out and counted, and
 * the rest of its batch still counts. Payloads stay unread here, only their final receiver decodes them.
 */
export interface ReadBatch<F> {
  readonly frames: readonly F[]
  readonly malformed: number
}

export function writeBatch<F>(frames: readonly F[]): Batch<F> {
  return { cmd: BATCH_TAG, frames }
}

/** Is this message ours at all? Everything else on the channel belongs to the user or to Node. */
export function isBatch(message: unknown): message is Batch<unknown> {
  if (!isObject(message)) return false
  return message.cmd === BATCH_TAG || (message.cmd === HANDLE_RECEIPT && message.frames !== undefined)
}

export const readUpBatch = (batch: Batch<unknown>): ReadBatch<UpFrame> => readBatch(batch, upShapes)
export const readDownBatch = (batch: Batch<unknown>): ReadBatch<DownFrame> => readBatch(batch, downShapes)

function readBatch<F extends { kind: string }>(batch: Batch<unknown>, shapes: Shapes<F>): ReadBatch<F> {
  if (!Array.isArray(batch.frames)) return { frames: [], malformed: 1 }
  // The common case is a whole batch of good frames, which then needs no second array.
  if (batch.frames.every((frame) => isFrame(frame, shapes))) return { frames: batch.frames as F[], malformed: 0 }
  const frames = batch.frames.filter((frame): frame is F => isFrame(frame, shapes))
  return { frames, malformed: batch.frames.length - frames.length }
}

function isFrame<F>(value: unknown, shapes: Shapes<F>): value is F {
  if (!isObject(value) || typeof value.kind !== 'string') return false
  const shape = shapes.get(value.kind)
  if (!shape) return false
  for (const [field, check] of shape) if (!check(value[field])) return false
  return true
}
