import type { ThrownRecord } from './errors.js'
import { walkPlain } from './plain-json.js'

/**
 * Makes a record of anything that was thrown: an Error, a string, null, an object whose getters throw. Never throws,
 * and never sends more than the limits below, whatever the error drags along.
 */
const MAX_MESSAGE = 8 * 1024
const MAX_STACK = 16 * 1024
const MAX_PROPERTIES = 16 * 1024
const MAX_CAUSES = 4

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
  try {
    for (const key of Object.keys(thrown)) {
      if (CARRIED_APART.has(key) || key === '__proto__') continue
      const value = read(thrown, key)
      if (safelyPlain(value)) properties[key] = value
    }
    return Object.keys(properties).length > 0 && safelyPlain(properties) ? properties : undefined
  } catch {
    return undefined // A proxy whose traps throw.
  }
}

function safelyPlain(value: unknown): boolean {
  try {
    return walkPlain(value, MAX_PROPERTIES) === 'plain'
  } catch {
    return false
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
    return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  } catch {
    return 'a value that cannot be printed'
  }
}

function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}… (${text.length - limit} characters more)`
}
