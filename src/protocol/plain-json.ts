/**
 * Does JSON keep this value whole? One cheap walk, no allocation per node, answers for nearly every payload there is,
 * and spares it the rich form, which costs several times as much.
 *
 * Kept whole: null, booleans, strings, finite numbers but -0, dense arrays, and plain objects of such values. Not kept,
 * hence `'rich'`: everything else, an `undefined` among the values included. Two references to one object arrive as two
 * objects; that is the one thing this walk does not look for.
 */
export type Walk = 'plain' | 'rich' | 'too large'

/** Deeper values go to `rich-writer.ts`, which has a stack of its own and tells a cycle from a deep list. */
const PLAIN_DEPTH = 200

/** `budget.left` is what the value has left of it, in characters, about. */
export function walkPlain(value: unknown, limit: number, budget = { left: limit }): Walk {
  const plain = isPlain(value, 0, budget)
  if (budget.left < 0) return 'too large'
  return plain ? 'plain' : 'rich'
}

function isPlain(value: unknown, depth: number, budget: { left: number }): boolean {
  switch (typeof value) {
    case 'string':
      budget.left -= value.length + 2
      return true
    case 'number':
      budget.left -= digitsOf(value)
      return Number.isFinite(value) && !Object.is(value, -0)
    case 'boolean':
      budget.left -= 4
      return true
    case 'object':
      break
    default:
      return false
  }
  budget.left -= 2
  if (value === null) return true
  if (depth > PLAIN_DEPTH || budget.left < 0) return false
  return Array.isArray(value) ? isPlainArray(value, depth, budget) : isPlainObject(value, depth, budget)
}

function isPlainArray(values: readonly unknown[], depth: number, budget: { left: number }): boolean {
  if (Object.getPrototypeOf(values) !== Array.prototype) return false
  for (let index = 0; index < values.length; index++) {
    budget.left -= 1
    if (!isPlain(values[index], depth + 1, budget)) return false
  }
  return true
}

function isPlainObject(value: object, depth: number, budget: { left: number }): boolean {
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  // `for in` also meets inherited keys; an Object.prototype that somebody enlarged makes every object rich, and safe.
  for (const key in value) {
    budget.left -= key.length + 4
    if (key === '__proto__' || key === 'toJSON') return false
    if (!isPlain((value as Record<string, unknown>)[key], depth + 1, budget)) return false
  }
  return Object.getOwnPropertySymbols(value).length === 0
}

/** About as many characters as JSON needs: a logarithm would be exact, and is not worth its time here. */
export function digitsOf(value: number): number {
  if (!Number.isInteger(value)) return 12
  const size = Math.abs(value)
  return size < 10 ? 1 : size < 10_000 ? 3 : size < 1e9 ? 7 : 13
}
