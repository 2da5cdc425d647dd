import { type ArrivedPayload, PartList, PartsPayload } from './binary-parts.js'
import { PayloadError } from './errors.js'
import type { InlinePayload, Payload } from './frames.js'
import { guardPlain } from './guard.js'
import { plainPayload, richPayload } from './payload-size.js'
import { copyPlain, type Walk, walkPlain } from './plain-json.js'
import { readRich } from './rich-reader.js'
import { tooLarge, writeRich } from './rich-writer.js'

/** Values to payloads and back. Whether a value is plain or rich is found once, by the sender's walk. */

/** `limits.payload` when nobody says otherwise: what JSON parses in some tens of milliseconds. */
export const DEFAULT_PAYLOAD_LIMIT = 4 * 1024 * 1024

/** Bytes of JSON text that come of one character that the walks count, at most: escapes, and notes on what is not plain. */
const GROWTH = 8

export interface EncodeOptions {
  /** As a text that the primary can pass on unread. */
  readonly opaque: boolean
  /** Bytes of the value as JSON text. */
  readonly limit: number
  /** How an error names the value: `args`, `result`, `value`. */
  readonly root: string
  /** It goes over a link that carries bytes: what is binary stays so, in a `PartsPayload`. */
  readonly parts?: boolean | undefined
}

export function encodePayload(value: unknown, options: EncodeOptions): Payload {
  if (value === undefined) return undefined
  try {
    const { inline, size } = encodeInline(value, options)
    if (inline instanceof PartsPayload) return checkedParts(inline, options)
    if (size * GROWTH <= options.limit) return options.opaque ? JSON.stringify(inline) : inline
    // Near the limit it is measured, so that what leaves here is never too large for the channel.
    const text = JSON.stringify(inline)
    if (Buffer.byteLength(text) - WRAPPING > options.limit) throw refusedAsTooLarge(options)
    return options.opaque ? text : inline
  } catch (cause) {
    // What is left are values that fight back: a revoked Proxy, a getter that throws the second time.
    if (cause instanceof PayloadError) throw cause
    throw new PayloadError({ path: options.root, reason: `cannot be sent: ${messageOf(cause)}` })
  }
}

/** What stands around a plain value: `{"plain":` and `}`. */
const WRAPPING = 10

function encodeInline(
  value: unknown,
  options: EncodeOptions,
): { readonly inline: InlinePayload; readonly size: number } {
  const { opaque, limit, root } = options
  const budget = { left: limit }
  const kind = walk(value, limit, budget)
  if (kind === 'too large') throw refusedAsTooLarge(options)
  if (kind === 'plain') {
    const size = limit - budget.left
    return { inline: opaque ? { plain: value } : plainPayload(copyPlain(value), size), size }
  }
  const parts = options.parts ? new PartList() : undefined
  const { form, size } = writeRich(value, root, limit, parts)
  if (parts && parts.parts.length > 0) return { inline: new PartsPayload(form, parts, size), size }
  return { inline: opaque ? { rich: form } : richPayload(form, size), size }
}

function checkedParts(payload: PartsPayload, options: EncodeOptions): PartsPayload {
  const { size, partsSize, rich } = payload
  const isNear = (size - partsSize) * GROWTH + partsSize > options.limit
  if (isNear && Buffer.byteLength(JSON.stringify(rich)) + partsSize > options.limit) throw refusedAsTooLarge(options)
  return payload
}

function refusedAsTooLarge({ limit, root }: EncodeOptions): PayloadError {
  return new PayloadError({ path: root, reason: tooLarge(limit) })
}

/** A getter that throws ends the cheap walk; the careful one then names it. */
function walk(value: unknown, limit: number, budget: { left: number }): Walk {
  try {
    return walkPlain(value, limit, budget)
  } catch {
    return 'rich'
  }
}

export function decodePayload(payload: Payload, root: string): unknown {
  if (payload === undefined) return undefined
  try {
    const inline = typeof payload === 'string' ? (JSON.parse(payload) as unknown) : payload
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

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
