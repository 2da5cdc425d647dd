import { type ArrivedPayload, PartList, type PartMemory, PartsPayload } from './binary-parts.js'
import { PayloadError } from './errors.js'
import type { Payload } from './frames.js'
import { guardPlain } from './guard.js'
import { InlineText, isInlineText } from './payload-forms.js'
import { type Walk, walkPlain } from './plain-json.js'
import { readRich } from './rich-reader.js'
import { tooLarge, writeRich } from './rich-writer.js'

/** Values to payloads and back. Whether a value is plain or rich is found once, by the sender's walk. */

/** `limits.payload` when nobody says otherwise: what JSON parses in some tens of milliseconds. */
export const DEFAULT_PAYLOAD_LIMIT = 4 * 1024 * 1024

export interface EncodeOptions {
  /** As a text that the primary can pass on unread. */
  readonly opaque: boolean
  /** Bytes of the value as JSON text. */
  readonly limit: number
  /** How an error names the value: `args`, `result`, `value`. */
  readonly root: string
  /** It goes over a link that carries bytes: what is binary stays so, in a `PartsPayload`, and is copied to there. */
  readonly memory?: PartMemory | undefined
}

export function encodePayload(value: unknown, options: EncodeOptions): Payload {
  if (value === undefined) return undefined
  try {
    return toPayload(value, options)
  } catch (cause) {
    // What is left are values that fight back: a revoked Proxy, a getter that throws the second time.
    if (cause instanceof PayloadError) throw cause
    throw new PayloadError({ path: options.root, reason: `cannot be sent: ${messageOf(cause)}` })
  }
}

function toPayload(value: unknown, options: EncodeOptions): Payload {
  const { limit, root, memory } = options
  const kind = walk(value, limit)
  if (kind === 'too large') throw refusedAsTooLarge(limit, root)
  if (kind === 'plain') return textOf('plain', JSON.stringify(value), options)
  const list = memory && new PartList(memory)
  const { form, size } = writeRich(value, root, limit, list)
  if (list && list.parts.length > 0) return checkedParts(new PartsPayload(form, list, size), limit, root)
  return textOf('rich', JSON.stringify(form), options)
}

function textOf(form: 'plain' | 'rich', json: string, { opaque, limit, root }: EncodeOptions): Payload {
  // The walks count characters, about; a character has at most three bytes.
  if (json.length * 3 > limit && Buffer.byteLength(json) > limit) throw refusedAsTooLarge(limit, root)
  const inline = new InlineText(form, json)
  return opaque ? inline.text : inline
}

/** Bytes of JSON text that come of one character that the walk counts, at most: escapes, and notes on what is not plain. */
const GROWTH = 8

/** What has parts fits where its text would. */
function checkedParts(payload: PartsPayload, limit: number, root: string): PartsPayload {
  const { size, partsSize, rich } = payload
  const isNear = (size - partsSize) * GROWTH + partsSize > limit
  if (isNear && Buffer.byteLength(JSON.stringify(rich)) + partsSize > limit) throw refusedAsTooLarge(limit, root)
  return payload
}

function refusedAsTooLarge(limit: number, root: string): PayloadError {
  return new PayloadError({ path: root, reason: tooLarge(limit) })
}

/** A getter that throws ends the cheap walk; the careful one then names it. */
function walk(value: unknown, limit: number): Walk {
  try {
    return walkPlain(value, limit)
  } catch {
    return 'rich'
  }
}

export function decodePayload(payload: Payload, root: string): unknown {
  if (payload === undefined) return undefined
  try {
    const inline = parsed(payload)
    if (typeof inline === 'object' && inline !== null) {
      if ('plain' in inline) {
        guardPlain(inline.plain)
        return inline.plain
      }
      if ('rich' in inline) return readRich(inline.rich, (inline as ArrivedPayload).parts)
    }
  } catch (cause) {
    throw new PayloadError({ path: root, reason: `arrived in a form that is refused: it ${messageOf(cause)}` })
  }
  throw new PayloadError({ path: root, reason: 'arrived in a form that is refused: it is neither plain nor rich' })
}

function parsed(payload: Payload): unknown {
  if (typeof payload === 'string') return JSON.parse(payload)
  return isInlineText(payload) ? payload.toJSON() : payload
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
