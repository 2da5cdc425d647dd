import { FROM_PEER, FROM_ROUTER, FROM_WORKER, fromCompact, type ListReaders, toCompact } from './compact.js'
import { isObject } from './frame-checks.js'
import { downShapes, peerShapes, type Shapes, upShapes } from './frame-shapes.js'
import { BATCH_TAG, type Batch, type DownFrame, type PeerFrame, type UpFrame } from './frames.js'

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

/**
 * The same as the text of one line, frames that have a short form in that (`compact.ts`). `handle`: the number by which the reader
 * finds the handle that is sent with it.
 */
export function batchText({ frames }: Batch<{ readonly kind: string }>, handle?: number): string {
  let text = `{"cmd":"${BATCH_TAG}",${handle === undefined ? '' : `"handle":${handle},`}"frames":[`
  for (let index = 0; index < frames.length; index++) {
    const frame = frames[index] as { readonly kind: string }
    if (index > 0) text += ','
    text += toCompact(frame) ?? JSON.stringify(frame)
  }
  return `${text}]}`
}

/** Is this message ours at all? Everything else on the channel belongs to the user or to Node. */
export function isBatch(message: unknown): message is Batch<unknown> {
  return isObject(message) && message.cmd === BATCH_TAG
}

export const readUpBatch = (batch: Batch<unknown>): ReadBatch<UpFrame> => readBatch(batch, upShapes, FROM_WORKER)
export const readDownBatch = (batch: Batch<unknown>): ReadBatch<DownFrame> => readBatch(batch, downShapes, FROM_ROUTER)

/** Of a link between two workers, where a batch is its frames alone. */
export const readPeerBatch = (frames: unknown): ReadBatch<PeerFrame> =>
  readBatch({ cmd: BATCH_TAG, frames: frames as unknown[] }, peerShapes, FROM_PEER)

function readBatch<F extends { kind: string }>(
  batch: Batch<unknown>,
  shapes: Shapes<F>,
  readers: ListReaders,
): ReadBatch<F> {
  if (!Array.isArray(batch.frames)) return { frames: [], malformed: 1 }
  const frames: F[] = []
  for (const value of batch.frames as readonly unknown[]) {
    const frame = Array.isArray(value) ? (fromCompact(value, readers) as F | undefined) : readFrame(value, shapes)
    if (frame) frames.push(frame)
  }
  return { frames, malformed: batch.frames.length - frames.length }
}

function readFrame<F>(value: unknown, shapes: Shapes<F>): F | undefined {
  if (!isObject(value) || typeof value.kind !== 'string') return undefined
  const shape = shapes.get(value.kind)
  if (!shape) return undefined
  for (const [field, check] of shape) if (!check(value[field])) return undefined
  return value as F
}
