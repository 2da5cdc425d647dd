import { SuperJSON, type SuperJSONResult } from 'superjson'
import { type BinaryRecord, fromBinaryRecord, isBinary, toBinaryRecord } from './binary.js'
import { PayloadError } from './errors.js'
import type { InlinePayload, Payload } from './frames.js'
import { guardPlain, guardResult, guardRich } from './guard.js'
import { inspect, tooLarge } from './inspect.js'
import { copyPlain, walkPlain } from './plain-json.js'
import { refuseLostReferences } from './references.js'

/** Values to payloads and back. Whether a value is plain or rich is found once, by the sender's walk. */

/** `limits.payload` when nobody says otherwise: what JSON parses in some tens of milliseconds. */
export const DEFAULT_PAYLOAD_LIMIT = 4 * 1024 * 1024

export interface EncodeOptions {
  /** As a text that the primary can pass on unread. */
  readonly opaque: boolean
  /** In bytes, near enough: the walk counts characters. */
  readonly limit: number
  /** How an error names the value: `args`, `result`, `value`. */
  readonly root: string
}

export function encodePayload(value: unknown, options: EncodeOptions): Payload {
  if (value === undefined) return undefined
  try {
    const inline = encodeInline(value, options)
    return options.opaque ? JSON.stringify(inline) : inline
  } catch (cause) {
    // What is left are values that fight back: a revoked Proxy, a getter that throws the second time.
    if (cause instanceof PayloadError) throw cause
    throw new PayloadError({ path: options.root, reason: `cannot be sent: ${messageOf(cause)}` })
  }
}

function encodeInline(value: unknown, { opaque, limit, root }: EncodeOptions): InlinePayload {
  const kind = walk(value, limit)
  if (kind === 'too large') throw new PayloadError({ path: root, reason: tooLarge(limit) })
  if (kind === 'plain') return { plain: opaque ? value : copyPlain(value) }
  const cyclic = inspect(value, root, limit)
  const rich = serialize(value, root)
  if (cyclic) refuseLostReferences(value, rich.meta?.referentialEqualities, root)
  return { rich: cyclic ? rich : withoutReferences(rich) }
}

function serialize(value: unknown, root: string): SuperJSONResult {
  try {
    return codec.serialize(value)
  } catch (cause) {
    throw new PayloadError({ path: root, reason: `cannot be sent: ${messageOf(cause)}` })
  }
}

/**
 * Two references to one object arrive as two objects, as in plain JSON. superjson could make them one again, but in
 * quadratic time, and it confuses the members of a Set and the keys of a Map with each other on the way.
 */
function withoutReferences({ json, meta }: SuperJSONResult): SuperJSONResult {
  return meta?.values === undefined ? { json } : { json, meta: { values: meta.values, v: 1 } }
}

/** A getter that throws ends the cheap walk; the careful one then names it. */
function walk(value: unknown, limit: number): 'plain' | 'rich' | 'too large' {
  try {
    return walkPlain(value, limit)
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
      if ('rich' in inline) {
        guardRich(inline.rich)
        const rich = inline.rich as SuperJSONResult
        const value = codec.deserialize(rich)
        if (rich.meta?.referentialEqualities) guardResult(value)
        return value
      }
    }
  } catch (cause) {
    throw new PayloadError({ path: root, reason: `arrived in a form that is refused: it ${messageOf(cause)}` })
  }
  throw new PayloadError({ path: root, reason: 'arrived in a form that is refused: it is neither plain nor rich' })
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

/** Private: a class or symbol that a program registers on superjson's own instance must not change what we accept. */
const codec = new SuperJSON()

codec.registerCustom<ArrayBuffer, never>(
  {
    isApplicable: (value): value is ArrayBuffer => isBinary(value),
    serialize: (value) => toBinaryRecord(value) satisfies BinaryRecord as never,
    deserialize: (record) => fromBinaryRecord(record) as ArrayBuffer,
  },
  'binary',
)

/** An Error as a value (an argument, a property): name, message, stack, cause and own properties. */
codec.registerCustom<Error, never>(
  {
    isApplicable: (value): value is Error => value instanceof Error,
    serialize: (error) =>
      ({
        ...error,
        name: error.name,
        message: error.message,
        stack: error.stack,
        cause: error.cause,
        hasCause: 'cause' in error,
      }) as never,
    deserialize: (record) => restoreError(record as Record<string, unknown>),
  },
  'error',
)

function restoreError({ name, message, stack, cause, hasCause, ...properties }: Record<string, unknown>): Error {
  const error = new Error(String(message), hasCause === true ? { cause } : undefined)
  const hidden = { enumerable: false, configurable: true, writable: true }
  if (name !== 'Error') Object.defineProperty(error, 'name', { ...hidden, value: String(name) })
  Object.defineProperty(error, 'stack', { ...hidden, value: typeof stack === 'string' ? stack : undefined })
  return Object.assign(error, properties)
}
