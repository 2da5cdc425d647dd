import { LONGEST_NAME, RECORDED_FRAMES } from './contract.js'

// What a field of a frame may be: for reading what another process has written.

export type Check = (value: unknown) => boolean

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export const text: Check = (value) => typeof value === 'string'
export const flag: Check = (value) => typeof value === 'boolean'
export const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const amount: Check = (value) => count(value) && value !== 0
export const whole: Check = (value) => Number.isSafeInteger(value)
/** The number of a call on its way (`routes.ts`). */
export const route: Check = (value) => whole(value)
export const time: Check = (value) => typeof value === 'number' && Number.isFinite(value)
export const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value)
export const nullable =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null || check(value)
export const oneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value)

export const target: Check = (value) => value === 'any' || count(value)

/** A payload's form alone; what is in it is the guard's business. */
export const payload: Check = (value) => value === undefined || typeof value === 'string' || isObject(value)
export const reference: Check = (value) => isObject(value) && count(value.id) && count(value.incarnation)
export const references: Check = (value) => Array.isArray(value) && value.every(reference)
export const failure: Check = (value) => isObject(value) && text(value.code) && isObject(value.details)
export const failures: Check = (value) =>
  Array.isArray(value) && value.every((one) => reference(one) && failure(one.error))
export const chain: Check = (value) =>
  Array.isArray(value) &&
  value.every((link) => Array.isArray(link) && route(link[0]) && count(link[1]) && text(link[2]))
export const methods: Check = (value) => isObject(value) && Object.values(value).every(isObject)
export const member: Check = (value) =>
  isObject(value) && reference(value) && text(value.state) && methods(value.methods)

/** Of one at least. */
export const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length > 0 && value.every(check)
/** What has less size than bytes would go uncounted. */
export const arrivedParts: Check = (value) =>
  isObject(value) &&
  isObject(value.rich) &&
  count(value.size) &&
  Array.isArray(value.parts) &&
  value.parts.every((part) => part instanceof Uint8Array) &&
  value.parts.reduce((bytes, { byteLength }) => bytes + byteLength, 0) <= (value.size as number)

const texts: Check = (value) => Array.isArray(value) && value.every(text)
export const counts: Check = (value) => Array.isArray(value) && value.every(count)
export const bounds: Check = (value) =>
  Array.isArray(value) && value.every((one) => isObject(one) && count(one.ref) && count(one.listener))
export const peer: Check = (value) => isObject(value) && text(value.address) && count(value.port) && text(value.family)

export const stage: Check = (value) =>
  isObject(value) &&
  (value.kind === 'unknown' ||
    (time(value.ms) &&
      (value.kind === 'running' || (value.kind === 'queued' && count(value.position) && texts(value.behind)))))

const name: Check = (value) => typeof value === 'string' && value.length <= LONGEST_NAME
const maybeName = nullable(name)
const maybeRoute = nullable(route)
/** As many as anybody keeps. */
export const frameRecords: Check = (value) =>
  Array.isArray(value) &&
  value.length <= RECORDED_FRAMES &&
  value.every(
    (one) =>
      Array.isArray(one) && time(one[0]) && flag(one[1]) && name(one[2]) && maybeRoute(one[3]) && maybeName(one[4]),
  )
export const room: Check = (value) => isObject(value) && amount(value.items) && amount(value.bytes)
