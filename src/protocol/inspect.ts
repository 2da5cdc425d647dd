import { isBinary } from './binary.js'
import { PayloadError } from './errors.js'

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
  size: number
}

export function inspect(value: unknown, root: string, limit: number): void {
  visit(value, { limit, path: [root], ancestors: new Set(), size: 0 })
}

function visit(value: unknown, at: Inspection): void {
  at.size += sizeOf(value)
  if (at.size > at.limit)
    throw refuse(at, `is larger than ${at.limit} bytes, the limit. Send less, or raise \`limits.payload\``)
  if (typeof value === 'function')
    throw refuse(at, 'is a function, which cannot be sent. Send data, and let the other side choose the function')
  if (typeof value === 'symbol') throw refuse(at, 'is a symbol, which cannot be sent. Send a string')
  if (typeof value !== 'object' || value === null || isBinary(value)) return
  if (at.ancestors.has(value)) return
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
  if (value instanceof RegExp || value instanceof URL) return
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
  for (const key of Object.keys(value)) {
    at.size += key.length + 4
    if (FORBIDDEN_KEYS.has(key))
      throw refuse(at, `has a property named ${key}, which is refused because it can change prototypes. Rename it`)
    within(at, /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`, read(value, key, at))
  }
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
  if (typeof value === 'string') return value.length + 2
  // Digits of a BigInt: a division by its bit length would be exact, a hex rendering is close and cheap enough.
  if (typeof value === 'bigint') return value.toString(16).length
  if (isBinary(value)) return Math.ceil((value.byteLength * 4) / 3)
  return 4
}

function describeInstance(value: object): string {
  const name = value.constructor?.name
  const what = name && name !== 'Object' ? `an instance of ${name}` : 'an object with a prototype of its own'
  return `is ${what}, which would arrive without its class. Send a plain object`
}

function refuse(at: Inspection, reason: string): PayloadError {
  return new PayloadError({ path: at.path.join(''), reason })
}
