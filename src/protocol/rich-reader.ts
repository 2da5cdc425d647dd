import { fromBinaryRecord } from './binary.js'
import { partOf } from './binary-parts.js'
import { costOfAddress, costOfPattern, MAX_PATTERNS } from './costly-text.js'
import { Crowding } from './crowding.js'
import { guardPlain } from './guard.js'
import { FORM_VERSION, MAX_DEPTH, MAX_DIGITS } from './rich-form.js'

/**
 * Builds a value from its rich form, which may have been forged. Nothing is built that the text does not spell out: every
 * object is made here, of one of a few kinds, and filled by keys of its own. There are no functions in the form, and no paths
 * that could lead to one; a reference can only mean what has been made before it. One pass, by a stack of its own.
 *
 * Throws a plain Error whose message says what was wrong; `payload.ts` makes it a `PayloadError`.
 */
/** `parts`: what is binary, where that came beside the text. */
export function readRich(rich: unknown, parts?: readonly unknown[]): unknown {
  if (!isRecord(rich) || !Object.hasOwn(rich, 'json')) throw new Error('is not an encoded value')
  const { json, meta } = rich
  if (meta === undefined) return new RichReader(false, undefined).read(json, undefined)
  if (!isRecord(meta) || meta.v !== FORM_VERSION) throw new Error('has annotations of an unknown version')
  return new RichReader(meta.refs === true, parts).read(json, meta.values)
}

type Keyed = Record<string, unknown>

/** A container that is made, and not filled yet. */
interface Open {
  readonly json: readonly unknown[] | Keyed
  readonly keys: readonly string[] | undefined
  readonly length: number
  readonly children: Keyed | undefined
  readonly made: object
  readonly place: (made: never, value: unknown, index: number, open: Open) => void
  index: number
  /** Of a Map: the key whose value comes next. */
  key?: unknown
  /** Of a large Set or Map. */
  crowding?: Crowding
}

class RichReader {
  /** Every container, in the order in which the writer has met them; undefined where there are no references. */
  readonly #made: object[] | undefined
  readonly #open: Open[] = []
  readonly #parts: readonly unknown[] | undefined
  /** Characters of regular expressions so far. */
  #patterns = 0

  constructor(references: boolean, parts: readonly unknown[] | undefined) {
    this.#parts = parts
    this.#made = references ? [] : undefined
  }

  read(json: unknown, annotation: unknown): unknown {
    const value = this.#begin(json, annotation)
    for (let top = this.#open.at(-1); top !== undefined; top = this.#open.at(-1)) {
      if (top.index === top.length) {
        this.#open.pop()
        continue
      }
      const index = top.index++
      const key = top.keys ? (top.keys[index] as string) : String(index)
      const note = top.children && Object.hasOwn(top.children, key) ? top.children[key] : undefined
      const entry = top.keys ? (top.json as Keyed)[key] : (top.json as readonly unknown[])[index]
      if (isHole(note, entry, top)) (top.made as unknown[]).length = index + 1
      else top.place(top.made as never, this.#begin(entry, note), index, top)
    }
    return value
  }

  /** The value itself, or the container that is filled next. */
  #begin(json: unknown, annotation: unknown): unknown {
    const [type, children] = split(annotation)
    if (type === undefined) {
      if (typeof json !== 'object' || json === null) {
        if (children !== undefined) throw new Error('has annotations for what has no parts')
        return json
      }
      if (children === undefined && this.#made === undefined) {
        // Nothing to say about it, and nothing that could refer to it: plain JSON, as it stands.
        guardPlain(json, this.#open.length)
        return json
      }
      return Array.isArray(json)
        ? this.#enter([], json, undefined, children, intoArray)
        : this.#enter({}, json as Keyed, Object.keys(json), children, intoObject)
    }
    switch (type) {
      case 'set':
        if (!Array.isArray(json)) break
        return this.#enter(new Set(), json, undefined, children, intoSet)
      case 'map':
        if (!Array.isArray(json) || json.length % 2 !== 0) break
        return this.#enter(new Map(), json, undefined, children, intoMap)
      case 'error':
        if (!isErrorForm(json)) break
        return this.#enter(makeError(json), json.own, Object.keys(json.own), children, intoError)
      default:
        if (children === undefined) return this.#leaf(type, json)
    }
    throw notAllowed(type)
  }

  #enter<T extends object>(
    made: T,
    json: readonly unknown[] | Keyed,
    keys: readonly string[] | undefined,
    children: Keyed | undefined,
    place: (made: T, value: unknown, index: number, open: Open) => void,
  ): T {
    if (this.#open.length >= MAX_DEPTH) throw new Error(`is nested more than ${MAX_DEPTH} levels deep`)
    if (keys?.includes('__proto__')) throw new Error('has a property named __proto__')
    if (children !== undefined) {
      for (const key of Object.keys(children)) {
        if ((keys === undefined && !INDEX.test(key)) || !Object.hasOwn(json, key))
          throw new Error('has an annotation for what is not there')
      }
    }
    this.#made?.push(made)
    const length = keys ? keys.length : (json as readonly unknown[]).length
    const open = { json, keys, length, children, made, place, index: 0 }
    if (children !== undefined || this.#made !== undefined) this.#open.push(open)
    else {
      // Plain inside, and guarded as a whole.
      guardPlain(json, this.#open.length)
      for (let index = 0; index < length; index++)
        place(made, keys ? (json as Keyed)[keys[index] as string] : (json as readonly unknown[])[index], index, open)
    }
    return made
  }

  #leaf(type: unknown, json: unknown): unknown {
    switch (type) {
      case 'undefined':
        if (json === null) return undefined
        break
      case 'bigint':
        if (typeof json === 'string' && json.length <= MAX_DIGITS + 1 && /^-?\d+$/.test(json)) return BigInt(json)
        break
      case 'number':
        if (json === 'NaN' || json === 'Infinity' || json === '-Infinity' || json === '-0') return Number(json)
        break
      case 'Date':
        if (json === null || typeof json === 'number') return new Date(json ?? Number.NaN)
        break
      case 'regexp':
        if (typeof json === 'string') return this.#pattern(json)
        break
      case 'URL':
        if (typeof json === 'string') return makeAddress(json)
        break
      case 'binary':
        return fromBinaryRecord(json, partOf(json, this.#parts))
      case 'ref':
        if (this.#made && Number.isInteger(json) && (json as number) >= 0 && (json as number) < this.#made.length)
          return this.#made[json as number]
        break
    }
    throw notAllowed(type)
  }

  #pattern(text: string): RegExp {
    this.#patterns += text.length
    const cost = this.#patterns > MAX_PATTERNS ? 'is too long' : costOfPattern(text)
    if (cost) throw new Error(`has a regular expression that ${cost}`)
    const end = text.lastIndexOf('/')
    return new RegExp(text.slice(1, end), text.slice(end + 1))
  }
}

const INDEX = /^(0|[1-9]\d*)$/

function split(annotation: unknown): [type: unknown, children: Keyed | undefined] {
  if (annotation === undefined) return [undefined, undefined]
  if (isRecord(annotation)) return [undefined, annotation]
  if (Array.isArray(annotation) && typeof annotation[0] === 'string') {
    if (annotation.length === 1) return [annotation[0], undefined]
    if (annotation.length === 2 && isRecord(annotation[1])) return [annotation[0], annotation[1]]
  }
  throw new Error('has a malformed annotation')
}

function isHole(note: unknown, entry: unknown, { place }: Open): boolean {
  return Array.isArray(note) && note.length === 1 && note[0] === 'hole' && entry === null && place === intoArray
}

function intoArray(made: unknown[], value: unknown, index: number): void {
  made[index] = value
}

function intoObject(made: Keyed, value: unknown, index: number, { keys }: Open): void {
  made[keys?.[index] as string] = value
}

/** Tables up to that size cannot cost much, however their keys were chosen. */
const SMALL_TABLE = 256

function intoSet(made: Set<unknown>, value: unknown, _index: number, open: Open): void {
  made.add(value)
  if (made.size > SMALL_TABLE) watch(made, value, open)
}

function intoMap(made: Map<unknown, unknown>, value: unknown, index: number, open: Open): void {
  if (index % 2 === 0) open.key = value
  else {
    made.set(open.key, value)
    if (made.size > SMALL_TABLE) watch(made, open.key, open)
  }
}

function watch(made: Set<unknown> | Map<unknown, unknown>, key: unknown, open: Open): void {
  open.crowding ??= new Crowding(made)
  open.crowding.add(key)
}

function intoError(made: Error, value: unknown, index: number, { keys }: Open): void {
  const key = keys?.[index] as string
  hold(made, key, value, key !== 'cause')
}

function isErrorForm(json: unknown): json is { name: string; message: string; stack?: string; own: Keyed } {
  return (
    isRecord(json) &&
    typeof json.name === 'string' &&
    typeof json.message === 'string' &&
    (json.stack === undefined || typeof json.stack === 'string') &&
    isRecord(json.own)
  )
}

/** With the stack of where it was made, and none of ours, which would cost more than all the rest. */
function makeError({ name, message, stack }: { name: string; message: string; stack?: string }): Error {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const error = new Error(message)
  Error.stackTraceLimit = stackTraceLimit
  if (name !== 'Error') hold(error, 'name', name, false)
  hold(error, 'stack', stack, false)
  return error
}

function hold(object: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(object, key, { value, enumerable, configurable: true, writable: true })
}

function makeAddress(text: string): URL {
  const cost = costOfAddress(text)
  if (cost) throw new Error(`has a URL that ${cost}`)
  return new URL(text)
}

function notAllowed(type: unknown): Error {
  return new Error(`has an annotation that is not allowed (${JSON.stringify(type).slice(0, 60)})`)
}

function isRecord(value: unknown): value is Keyed {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
