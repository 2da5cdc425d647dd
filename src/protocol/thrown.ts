import type { ThrownRecord } from './errors.js'
import { PlainWalk, walkPlain } from './plain-json.js'

const MAX_MESSAGE = 8 * 1024
const MAX_STACK = 16 * 1024
const MAX_PROPERTIES = 16 * 1024
const MAX_CAUSES = 4
/** Of properties, those that turn out to be too large included: throwing must not cost seconds. */
const MAX_LOOKED_AT = 4 * MAX_PROPERTIES

/**
 * Makes a record of anything that was thrown: an Error, a string, null, an object whose getters throw. Never throws, never
 * sends more than the limits above, whatever the error drags along, and keeps nothing that its thrower may still change.
 */
export function toThrown(thrown: unknown, depth = 0): ThrownRecord {
  if (typeof thrown !== 'object' || thrown === null) {
    return { name: 'Error', message: cut(describe(thrown), MAX_MESSAGE) }
  }
  const name = read(thrown, 'name')
  const message = read(thrown, 'message')
  const code = read(thrown, 'code')
  const stack = read(thrown, 'stack')
  const cause = read(thrown, 'cause')
  return {
    name: typeof name === 'string' ? cut(name, 200) : 'Error',
    message: cut(typeof message === 'string' ? message : describe(thrown), MAX_MESSAGE),
    code: typeof code === 'string' ? cut(code, 200) : typeof code === 'number' ? code : undefined,
    stack: typeof stack === 'string' ? cut(stack, MAX_STACK) : undefined,
    cause: cause === undefined || cause === null || depth >= MAX_CAUSES ? undefined : toThrown(cause, depth + 1),
    properties: ownProperties(thrown),
  }
}

const CARRIED_APART = new Set(['name', 'message', 'code', 'stack', 'cause'])

function ownProperties(thrown: object): Record<string, unknown> | undefined {
  const properties: Record<string, unknown> = {}
  let left = MAX_LOOKED_AT
  try {
    for (const key of Object.keys(thrown)) {
      if (CARRIED_APART.has(key) || key === '__proto__') continue
      const walk = new PlainWalk(MAX_PROPERTIES)
      const value = plainCopy(read(thrown, key), walk)
      if (value !== undefined) properties[key] = value
      left -= MAX_PROPERTIES - Math.max(0, walk.left)
      if (left < 0) return undefined
    }
    return Object.keys(properties).length > 0 ? plainCopy(properties, new PlainWalk(MAX_PROPERTIES)) : undefined
  } catch {
    return undefined // A proxy whose traps throw.
  }
}

/** `undefined` for what is not plain, or too large. */
function plainCopy<T>(value: T, walk: PlainWalk): T | undefined {
  try {
    return walk.verdict(value) === 'plain' ? (JSON.parse(JSON.stringify(value)) as T) : undefined
  } catch {
    return undefined
  }
}

function read(object: object, key: string): unknown {
  try {
    return (object as Record<string, unknown>)[key]
  } catch {
    return undefined
  }
}

function describe(value: unknown): string {
  try {
    if (typeof value === 'string') return value
    if (walkPlain(value, MAX_MESSAGE) === 'too large') return 'a value that is too large to be printed'
    return JSON.stringify(value) ?? String(value)
  } catch {
    return 'a value that cannot be printed'
  }
}

/** The beginning of a text, and how much more there was. */
export function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}… (${text.length - limit} characters more)`
}
