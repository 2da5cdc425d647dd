import type { ErrorRecord } from './error-record.js'
import { fromRecord } from './error-record.js'
import { RemoteError, type ThrownRecord, UsageError } from './errors.js'

/**
 * Error classes of the program that both sides know: what a method throws of them is thrown at its caller as one of them.
 * Declared in a module that both import, by a name that is the same on both sides.
 */
// biome-ignore lint/suspicious/noExplicitAny: a class of any constructor, which is never called here.
type ErrorClass = abstract new (...args: any[]) => Error

const byName = new Map<string, ErrorClass>()
const names = new Map<ErrorClass, string>()

/**
 * Declares an error class and gives it back: `export const NoMoney = declareError(class NoMoney extends Error { … })`. Its
 * constructor is not called when one arrives: message, `code` and own properties that are plain JSON are put on an object of
 * the class, with the stack of the call. `cause` is the `RemoteError`, which has the stack from over there.
 */
export function declareError<C extends ErrorClass>(ErrorType: C, name: string = ErrorType?.name): C {
  if (typeof ErrorType !== 'function' || !(ErrorType.prototype instanceof Error))
    throw new UsageError('Expected `declareError` to get a class that extends Error')
  if (typeof name !== 'string' || name === '')
    throw new UsageError('Expected a name for the error class: name the class, or give the name as the second argument')
  const other = byName.get(name)
  if (other && other !== ErrorType)
    throw new UsageError(
      `Two error classes are declared as "${name}". Give one of them another name as the second argument`,
    )
  byName.set(name, ErrorType)
  names.set(ErrorType, name)
  return ErrorType
}

/** Under which name the class of what was thrown is declared, its own or the nearest that it extends. */
export function declaredNameOf(thrown: unknown): string | undefined {
  if (names.size === 0) return undefined
  try {
    return nearestName(thrown)
  } catch {
    return undefined // A proxy whose traps throw.
  }
}

function nearestName(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined
  for (let prototype = Object.getPrototypeOf(thrown); prototype; prototype = Object.getPrototypeOf(prototype)) {
    const name = Object.hasOwn(prototype, 'constructor') ? names.get(prototype.constructor) : undefined
    if (name !== undefined) return name
  }
  return undefined
}

/** The error that a caller is to get: of the class that the program has declared, or ours. */
export function toCallerError(record: ErrorRecord): Error {
  const error = fromRecord(record)
  if (!(error instanceof RemoteError)) return error
  const { declared } = error.remote
  const ErrorType = typeof declared === 'string' ? byName.get(declared) : undefined
  return ErrorType ? revive(ErrorType, error) : error
}

function revive(ErrorType: ErrorClass, cause: RemoteError): Error {
  const { remote } = cause
  const error = new Error(remote.message, { cause })
  Object.setPrototypeOf(error, ErrorType.prototype)
  for (const [key, value] of ownProperties(remote))
    Object.defineProperty(error, key, { value, enumerable: true, writable: true, configurable: true })
  if (error.name !== remote.name)
    Object.defineProperty(error, 'name', { value: remote.name, writable: true, configurable: true })
  Error.captureStackTrace(error, toCallerError)
  return error
}

function ownProperties({ code, properties = {} }: ThrownRecord): [key: string, value: unknown][] {
  const own = Object.entries(properties).filter(([key]) => !KEPT.has(key))
  return code === undefined ? own : [...own, ['code', code]]
}

/** Not for a record to set. */
const KEPT = new Set(['__proto__', 'constructor', 'stack', 'message', 'cause', 'name'])
