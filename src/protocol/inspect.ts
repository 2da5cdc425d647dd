import { isBinary } from './binary.js'
import { PayloadError } from './errors.js'
import { MAX_DIGITS, MAX_PATTERN } from './guard.js'
import { digitsOf } from './plain-json.js'

/**
 * The careful walk over a value that plain JSON does not keep: finds what cannot be sent at all, and says where. What
 * superjson would silently drop or flatten (functions, symbols, instances of classes it does not know) is refused here.
 */

/** superjson recurses; far below the depth at which it would overflow the stack. */
const RICH_DEPTH = 1_000

/** What may be keyed in superjson's output without being taken for an attack on a prototype. */
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype'])

interface Inspection {
  readonly limit: number
  readonly path: string[]
  /** The objects between the root and here: one of them met again is a cycle, which superjson keeps. */
  readonly ancestors: Set<object>
  cyclic: boolean
  size: number
}

/** True when the value contains itself somewhere. */
export function inspect(value: unknown, root: string, limit: number): boolean {
  const inspection: Inspection = { limit, path: [root], ancestors: new Set(), cyclic: false, size: 0 }
  visit(value, inspection)
  return inspection.cyclic
}

/** Also for the cheap walk, which measures alike. */
export function tooLarge(limit: number): string {
  return `is larger than ${limit} bytes, the limit. Send less, or raise \`limits.payload\``
}

function visit(value: unknown, at: Inspection): void {
  at.size += sizeOf(value)
  if (at.size > at.limit) throw refuse(at, tooLarge(at.limit))
  if (typeof value === 'function')
    throw refuse(at, 'is a function, which cannot be sent. Send data, and let the other side choose the function')
  if (typeof value === 'symbol') throw refuse(at, 'is a symbol, which cannot be sent. Send a string')
  if (typeof value === 'bigint' && isTooLong(value)) throw refuse(at, `is a BigInt of more than ${MAX_DIGITS} digits`)
  if (typeof value !== 'object' || value === null || isBinary(value)) return
  if (at.ancestors.has(value)) {
    at.cyclic = true
    return
  }
  if (at.ancestors.size >= RICH_DEPTH)
    throw refuse(at, `is nested more than ${RICH_DEPTH} levels deep. Send a flatter value`)
  at.ancestors.add(value)
  visitInside(value, at)
  at.ancestors.delete(value)
}

function visitInside(value: object, at: Inspection): void {
  if (Array.isArray(value)) {
    for (const [index, entry] of value.entries()) within(at, `[${index}]`, entry)
    return
  }
  if (value instanceof Map) {
    let index = 0
    for (const [key, entry] of value) {
      within(at, `.keys()[${index}]`, key)
      within(at, `.get(${typeof key === 'string' ? JSON.stringify(key) : `keys()[${index}]`})`, entry)
      index++
    }
    return
  }
  if (value instanceof Set) {
    let index = 0
    for (const entry of value) within(at, `.values()[${index++}]`, entry)
    return
  }
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw refuse(at, 'is an invalid Date, which cannot be sent')
    return
  }
  if (value instanceof RegExp) {
    if (String(value).length > MAX_PATTERN)
      throw refuse(at, `is a regular expression longer than ${MAX_PATTERN} characters`)
    return
  }
  if (value instanceof URL) return
  if (value instanceof Error) return visitError(value, at)
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw refuse(at, describeInstance(value))
  visitProperties(value, at)
}

function visitError(error: Error, at: Inspection): void {
  if ('cause' in error) within(at, '.cause', error.cause)
  visitProperties(error, at)
}

function visitProperties(value: object, at: Inspection): void {
  if (Object.getOwnPropertySymbols(value).length > 0)
    throw refuse(at, 'has a property whose key is a symbol, which cannot be sent. Use a text as its key')
  for (const key of Object.keys(value)) {
    at.size += key.length + 4
    if (FORBIDDEN_KEYS.has(key))
      throw refuse(at, `has a property named ${key}, which is refused because it can change prototypes. Rename it`)
    within(at, stepTo(key), read(value, key, at))
  }
}

/** One step of a path, as one would write it in code. */
export function stepTo(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}

function read(value: object, key: string, at: Inspection): unknown {
  try {
    return (value as Record<string, unknown>)[key]
  } catch (cause) {
    throw refuse(
      at,
      `has a getter ${JSON.stringify(key)} that throws (${cause instanceof Error ? cause.message : String(cause)})`,
    )
  }
}

function within(at: Inspection, step: string, value: unknown): void {
  at.path.push(step)
  visit(value, at)
  at.path.pop()
}

function sizeOf(value: unknown): number {
  if (typeof value === 'number') return digitsOf(value) + 1
  if (typeof value === 'string') return value.length + 2
  // Digits of a BigInt: a division by its bit length would be exact, a hex rendering is close and cheap enough.
  if (typeof value === 'bigint') return value.toString(16).length
  if (isBinary(value)) return Math.ceil((value.byteLength * 4) / 3)
  if (value instanceof Error) return value.message.length + (value.stack?.length ?? 0)
  if (value instanceof URL) return value.href.length
  return 4
}

/** The hexadecimal text is never the longer one, and costs no quadratic time. */
function isTooLong(value: bigint): boolean {
  return value.toString(16).length > MAX_DIGITS || value.toString().length > MAX_DIGITS
}

function describeInstance(value: object): string {
  const name = value.constructor?.name
  const what = name && name !== 'Object' ? `an instance of ${name}` : 'an object with a prototype of its own'
  return `is ${what}, which would arrive without its class. Send a plain object`
}

function refuse(at: Inspection, reason: string): PayloadError {
  return new PayloadError({ path: at.path.join(''), reason })
}
