import { printable } from '../../protocol/address.js'
import { isGeneratorFunction, LONGEST_NAME, METHOD_OPTIONS, type MethodOptions } from '../../protocol/contract.js'
import { UsageError } from '../../protocol/errors.js'
import { type MethodTable, type MethodTraits, NEVER_REMOTE } from '../../protocol/method-table.js'
import { expectBoolean, expectDuration, expectKnown, expectPositiveInteger } from '../expect.js'

/** A method as this process runs it. */
export interface RegisteredMethod {
  readonly name: string
  readonly run: (...args: unknown[]) => unknown
  readonly options: MethodOptions
  /** It is read, item by item, instead of answered. */
  readonly isStream: boolean
}

/**
 * Reads what was given as methods: own, enumerable, functions. Everything else is refused here, when the program starts,
 * rather than found missing by a caller later.
 */
export function registerMethods(methods: object | undefined, option: string): ReadonlyMap<string, RegisteredMethod> {
  const registry = new Map<string, RegisteredMethod>()
  if (methods === undefined) return registry
  if (typeof methods !== 'object' || methods === null || Array.isArray(methods)) {
    throw new UsageError(`Expected \`${option}\` to be an object of functions, got ${printable(methods)}`)
  }
  const names = Object.keys(methods)
  if (names.length === 0 && isInstance(methods)) {
    throw new UsageError(
      `Expected \`${option}\` to be a plain object of functions, got an instance of ${methods.constructor.name}: only own ` +
        'properties can be called. List its methods, `{ resize: (...args) => service.resize(...args) }`',
    )
  }
  for (const name of names) {
    const run = (methods as Record<string, unknown>)[name]
    if (typeof run !== 'function')
      throw new UsageError(`Expected \`${option}.${name}\` to be a function, got ${printable(run)}`)
    if (name.length > LONGEST_NAME)
      throw new UsageError(
        `Expected the name of a method to have at most ${LONGEST_NAME} characters, got ${printable(name)}`,
      )
    if (NEVER_REMOTE.has(name))
      throw new UsageError(
        `A method cannot be named \`${name}\`: every object has a ${name} of its own, or is taken for a promise. Rename it`,
      )
    const options = readOptions(run, `${option}.${name}`)
    registry.set(name, {
      name,
      run: run.bind(methods) as RegisteredMethod['run'],
      options,
      isStream: options.stream === true || isGeneratorFunction(run),
    })
  }
  return registry
}

const METHOD_OPTION_NAMES = [
  'idempotent',
  'timeout',
  'concurrency',
  'stream',
  'input',
  'output',
] as const satisfies (keyof MethodOptions)[]

export function toMethodTable(registry: ReadonlyMap<string, RegisteredMethod>): MethodTable {
  const table: Record<string, MethodTraits> = {}
  for (const { name, options, isStream } of registry.values()) {
    const { idempotent, timeout, concurrency } = options
    table[name] = { idempotent, timeout, concurrency, stream: isStream || undefined }
  }
  return table
}

function readOptions(run: object, subject: string): MethodOptions {
  const options = (run as { [METHOD_OPTIONS]?: MethodOptions })[METHOD_OPTIONS] ?? {}
  expectKnown(options, METHOD_OPTION_NAMES, `${subject}.`)
  if (options.timeout !== undefined) expectDuration(options.timeout, `${subject}.timeout`)
  if (options.concurrency !== undefined) expectPositiveInteger(options.concurrency, `${subject}.concurrency`)
  if (options.stream !== undefined) expectBoolean(options.stream, `${subject}.stream`)
  for (const schema of ['input', 'output'] as const) {
    if (options[schema] !== undefined && !options[schema]['~standard']) {
      throw new UsageError(`Expected \`${subject}.${schema}\` to be a Standard Schema (zod, valibot, arktype, …)`)
    }
  }
  return options
}

function isInstance(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null
  return prototype !== null && prototype !== Object.prototype
}
