import { PayloadError } from './errors.js'
import type { Payload } from './frames.js'
import { guardPlain } from './guard.js'
import { InlineText } from './inline-text.js'
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
}

export function encodePayload(value: unknown, options: EncodeOptions): Payload {
  if (value === undefined) return undefined
  try {
    const text = toText(value, options)
    return options.opaque ? text : new InlineText(text)
  } catch (cause) {
    // What is left are values that fight back: a revoked Proxy, a getter that throws the second time.
    if (cause instanceof PayloadError) throw cause
    throw new PayloadError({ path: options.root, reason: `cannot be sent: ${messageOf(cause)}` })
  }
}

function toText(value: unknown, { limit, root }: EncodeOptions): string {
  const kind = walk(value, limit)
  if (kind === 'too large') throw new PayloadError({ path: root, reason: tooLarge(limit) })
  const text =
    kind === 'plain'
      ? `{"plain":${JSON.stringify(value)}}`
      : `{"rich":${JSON.stringify(writeRich(value, root, limit))}}`
  // The walks count characters, about; a character has at most three bytes.
  if (text.length * 3 > limit && Buffer.byteLength(text) - WRAPPING > limit)
    throw new PayloadError({ path: root, reason: tooLarge(limit) })
  return text
}

/** What stands around a value: `{"plain":` and `}`. */
const WRAPPING = 10

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
      if ('rich' in inline) return readRich(inline.rich)
    }
  } catch (cause) {
    throw new PayloadError({ path: root, reason: `arrived in a form that is refused: it ${messageOf(cause)}` })
  }
  throw new PayloadError({ path: root, reason: 'arrived in a form that is refused: it is neither plain nor rich' })
}

function parsed(payload: Payload): unknown {
  if (typeof payload === 'string') return JSON.parse(payload)
  return payload instanceof InlineText ? payload.toJSON() : payload
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
