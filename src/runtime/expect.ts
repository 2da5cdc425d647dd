import { printable } from '../protocol/address.js'
import { UsageError } from '../protocol/errors.js'
import { MAX_DELAY } from './timer-queue.js'

/** Checks of options and arguments, each with the one form of message: "Expected `workers` to be …, got …". */

export function expectPositiveInteger(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value
  throw unexpected(name, 'a positive integer', value)
}

export function expectDuration(value: unknown, name: string): number {
  if (typeof value === 'number' && value > 0 && value <= MAX_DELAY) return value
  throw unexpected(name, `a number of milliseconds between 1 and ${MAX_DELAY}`, value)
}

export function expectNumber(value: unknown, name: string, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw unexpected(name, `a number between ${min} and ${max}`, value)
}

export function expectBoolean(value: unknown, name: string): boolean {
  if (typeof value === 'boolean') return value
  throw unexpected(name, 'true or false', value)
}

export function expectFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') throw unexpected(name, 'a function', value)
}

export function expectOneOf<const T extends string>(value: unknown, name: string, allowed: readonly T[]): T {
  if ((allowed as readonly unknown[]).includes(value)) return value as T
  throw unexpected(name, `one of ${allowed.map((one) => `'${one}'`).join(', ')}`, value)
}

export function expectObject(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw unexpected(name, 'an object', value)
}

/** An option that does not exist is a misspelt one: it would be ignored, and the program would run with the default. */
export function expectKnown(options: object, known: readonly string[], name: string): void {
  for (const key of Object.keys(options)) {
    if (!known.includes(key))
      throw new UsageError(
        `Unknown option \`${name}${key}\`. Known are ${known.map((one) => `\`${name}${one}\``).join(', ')}`,
      )
  }
}

export function unexpected(name: string, what: string, value: unknown): UsageError {
  return new UsageError(`Expected \`${name}\` to be ${what}, got ${printable(value)}`)
}
