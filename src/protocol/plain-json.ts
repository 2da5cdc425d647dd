/**
 * Does JSON keep this value whole? One cheap walk, no allocation per node, answers for nearly every payload there is,
 * and spares it the rich form, which costs several times as much.
 *
 * Kept whole: null, booleans, strings, finite numbers but -0, dense arrays, and plain objects of such values. Not kept,
 * hence `'rich'`: everything else, an `undefined` among the values included. Two things it does not look for, because each
 * costs as much as all the rest: two references to one object, which arrive as two objects, and properties whose key is a
 * symbol, which the rich form leaves out too.
 */
export type Walk = 'plain' | 'rich' | 'too large'

/** Deeper values go to `rich-writer.ts`, which has a stack of its own and tells a cycle from a deep list. */
const PLAIN_DEPTH = 200

export function walkPlain(value: unknown, limit: number): Walk {
  return new PlainWalk(limit).verdict(value)
}

/** Walks over values that share a limit. */
export class PlainWalk {
  #left: number

  constructor(limit: number) {
    this.#left = limit
  }

  /** Of the limit, in characters, about. */
  get left(): number {
    return this.#left
  }

  verdict(value: unknown): Walk {
    const isPlain = this.#keeps(value, 0)
    if (this.#left < 0) return 'too large'
    return isPlain ? 'plain' : 'rich'
  }

  #keeps(value: unknown, depth: number): boolean {
    // What nearly all values are at their ends, first.
    if (typeof value === 'string') {
      this.#left -= value.length + 2
      return true
    }
    if (typeof value === 'number') {
      this.#left -= digitsOf(value)
      return Number.isFinite(value) && (value !== 0 || !Object.is(value, -0))
    }
    if (typeof value === 'boolean') {
      this.#left -= 4
      return true
    }
    if (typeof value !== 'object') return false
    this.#left -= 2
    if (value === null) return true
    if (depth > PLAIN_DEPTH || this.#left < 0) return false
    return Array.isArray(value) ? this.#keepsArray(value, depth + 1) : this.#keepsObject(value, depth + 1)
  }

  #keepsArray(values: readonly unknown[], depth: number): boolean {
    if (Object.getPrototypeOf(values) !== Array.prototype) return false
    for (let index = 0; index < values.length; index++) {
      this.#left -= 1
      if (!this.#keeps(values[index], depth)) return false
    }
    return true
  }

  #keepsObject(value: object, depth: number): boolean {
    const prototype = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) return false
    // `for in` also meets inherited keys; an Object.prototype that somebody enlarged makes every object rich, and safe.
    for (const key in value) {
      this.#left -= key.length + 4
      if (key === '__proto__' || key === 'toJSON') return false
      if (!this.#keeps((value as Record<string, unknown>)[key], depth)) return false
    }
    return true
  }
}

/** About as many characters as JSON needs: a logarithm would be exact, and is not worth its time here. */
export function digitsOf(value: number): number {
  if (!Number.isInteger(value)) return 12
  const size = Math.abs(value)
  return size < 10 ? 1 : size < 10_000 ? 3 : size < 1e9 ? 7 : 13
}
