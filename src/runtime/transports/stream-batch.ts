import { asSent, toCompact } from '../../protocol/compact.js'
import type { ItemsFrame, Payload } from '../../protocol/frames.js'
import { type EncodedParts, type ItemPayload, isParts } from '../../protocol/payload-forms.js'
import { arrivalMemory } from './arrival-memory.js'

/*
 * One batch of frames on a stream of bytes:
 *
 *     bytes of the JSON, bytes of the parts (two unsigned 32 bit numbers, big endian), the JSON, the parts
 *
 * The JSON is a list of frames. A payload that was encoded as a text stands in it as what it is, and is parsed with the rest
 * once, by its receiver. Binary values follow as parts, and `"parts": [1048576, …]` in a payload, or in an item of a stream, says how
 * long each of them is.
 */
export const HEADER = 8

/** A frame as JSON, and what follows the batch that it is in. Throws what JSON.stringify throws. */
export interface WrittenFrame {
  readonly text: string
  readonly parts: readonly Buffer[]
}

const NO_PARTS: readonly Buffer[] = []

/** Bytes. Each piece costs the writer more than it takes to copy so few. */
const SMALL_PART = 4_096

export function writeFrame(frame: { readonly kind: string }): WrittenFrame {
  if (frame.kind === 'items') return writeItems(frame as ItemsFrame)
  const { payload } = frame as { readonly payload?: Payload }
  const parts = isParts(payload) ? payload.parts : NO_PARTS
  const text = toCompact(frame, withParts)
  if (text !== undefined) return { text, parts }
  if (payload === undefined) return { text: JSON.stringify(frame), parts }
  // No frame is without a kind, so that a comma is due.
  const rest = JSON.stringify({ ...frame, payload: undefined })
  return { text: `${rest.slice(0, -1)},"payload":${withParts(payload)}}`, parts }
}

/** What has parts stands in the JSON with their lengths. What is opaque is rare here: it was made for another way. */
function withParts(payload: Payload): string {
  return isParts(payload) ? JSON.stringify(withLengths(payload)) : asSent(payload)
}

/** An item without parts stays a text in the text, so that its reader can tell the two apart. */
function writeItems(frame: ItemsFrame): WrittenFrame {
  if (!frame.items.some(isParts)) return { text: JSON.stringify(frame), parts: NO_PARTS }
  const parts = frame.items.flatMap((item) => (isParts(item) ? item.parts : NO_PARTS))
  const asWritten = (item: ItemPayload): unknown => (isParts(item) ? { ...withLengths(item), size: item.size } : item)
  return { text: JSON.stringify({ ...frame, items: frame.items.map(asWritten) }), parts }
}

function withLengths({ rich, parts }: EncodedParts): object {
  return { rich, parts: parts.map(({ length }) => length) }
}

/** What is written for a batch: the first piece is header and JSON. */
export function toBytes(frames: readonly WrittenFrame[]): Uint8Array[] {
  const text = frames.length === 1 ? `[${(frames[0] as WrittenFrame).text}]` : `[${frames.map(textOf).join(',')}]`
  const length = Buffer.byteLength(text)
  const head = Buffer.allocUnsafe(HEADER + length)
  const pieces: Uint8Array[] = [head]
  let partsLength = 0
  let small: Buffer[] = []
  const putSmall = (): void => {
    if (small.length > 0) pieces.push(Buffer.concat(small))
    small = []
  }
  for (const { parts } of frames)
    for (const part of parts) {
      partsLength += part.length
      if (part.length < SMALL_PART) small.push(part)
      else {
        putSmall()
        pieces.push(part)
      }
    }
  putSmall()
  head.writeUInt32BE(length, 0)
  head.writeUInt32BE(partsLength, 4)
  head.write(text, HEADER)
  return pieces
}

const textOf = ({ text }: WrittenFrame): string => text

/**
 * Puts the parts in the payloads that name them, to be filled when they come, and gives them in that order. No more than
 * `total`, which is bounded: memory that nothing is written to costs nothing. Throws when the numbers do not add up to it.
 */
export function placeParts(frames: readonly unknown[], total: number): Uint8Array[] {
  const placed: Uint8Array[] = []
  let left = total
  const place = (value: unknown): void => {
    if (!hasParts(value)) return
    value.parts = value.parts.map((length) => {
      if (!Number.isSafeInteger(length) || (length as number) < 0 || (length as number) > left)
        throw new Error('names parts that have not come')
      left -= length as number
      const part = arrivalMemory(length as number)
      placed.push(part)
      return part
    })
  }
  for (const frame of frames) {
    const items = itemsOf(frame)
    if (items) items.forEach(place)
    else place(payloadOf(frame))
  }
  if (left !== 0) throw new Error('has bytes that no payload names')
  return placed
}

function hasParts(value: unknown): value is { parts: unknown[] } {
  return typeof value === 'object' && value !== null && Array.isArray((value as { readonly parts?: unknown }).parts)
}

/** Of a frame as it arrived: of a stream's items. */
function itemsOf(frame: unknown): unknown[] | undefined {
  const items = (frame as { readonly items?: unknown } | null)?.items
  return Array.isArray(items) ? items : undefined
}

/** Where lists have a payload that may have parts (`compact.ts`). A plain value has none, whatever it looks like. */
const PLACES: ReadonlyMap<unknown, number> = new Map([
  ['result', 2],
  ['invoke', 5],
])

/** Of any other, in its short form or not. */
function payloadOf(frame: unknown): unknown {
  if (Array.isArray(frame)) return frame[PLACES.get(frame[0]) ?? -1]
  return (frame as { readonly payload?: unknown } | null)?.payload
}
