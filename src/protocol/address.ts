import type { WorkerId } from './ids.js'

/** What a user writes: a worker id, `'any'` (the least busy ready worker), or `'primary'`. */
export type Target = WorkerId | 'any' | 'primary'

/** The same, closed: a later form of address (a key, another machine) is a new member here. */
export type Address =
  | { readonly kind: 'worker'; readonly id: WorkerId }
  | { readonly kind: 'any' }
  | { readonly kind: 'primary' }

const ANY: Address = Object.freeze({ kind: 'any' })
const THE_PRIMARY: Address = Object.freeze({ kind: 'primary' })

/** Reads a target; `undefined` for anything else than the three forms. */
export function toAddress(target: unknown): Address | undefined {
  if (target === 'any') return ANY
  if (target === 'primary') return THE_PRIMARY
  if (typeof target === 'number' && Number.isSafeInteger(target) && target > 0) return { kind: 'worker', id: target }
  return undefined
}

/** "worker 2", "any worker", "the primary": how messages name a target. */
export function describeTarget(target: Target): string {
  if (target === 'any') return 'any worker'
  return target === 'primary' || target === 0 ? 'the primary' : `worker ${target}`
}

/** A short, safe rendering of a wrong value for an error message. Never calls the value's own code. */
export function printable(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'symbol') return 'a symbol'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'bigint' ? `${value}n` : String(value)
}
