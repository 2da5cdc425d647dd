import { isBinary, kindOf, toBinaryRecord, viewOf } from './binary.js'
import type { PartList } from './binary-parts.js'
import { costOfAddress, costOfPattern, MAX_PATTERNS } from './costly-text.js'
import { PayloadError } from './errors.js'
import { digitsOf } from './plain-json.js'
import {
  type Annotation,
  type Children,
  type ErrorForm,
  FORM_VERSION,
  MAX_DEPTH,
  MAX_DIGITS,
  type RichForm,
} from './rich-form.js'

/**
 * Writes a value in the rich form, and finds on the way what cannot be sent at all, and where. What would arrive as
 * something else (a function, a symbol, an instance of a class) is refused, and not dropped. Properties whose key is a symbol
 * are left out, as JSON, structuredClone and superjson do.
 *
 * One pass, by a stack of its own, so that a long list overflows nothing. An object that is met twice is written twice, as
 * JSON does it. Where one contains itself there is no end to that: then the value is written anew with references.
 */
export interface Written {
  readonly form: RichForm
  /** In characters, about. */
  readonly size: number
}

/** With `parts`, binary values are put there and not into the form. */
export function writeRich(value: unknown, root: string, limit: number, parts?: PartList): Written {
  const written = new RichWriter(root, limit, false, parts).write(value)
  if (written) return written
  parts?.clear()
  return new RichWriter(root, limit, true, parts).write(value) as Written
}

export function tooLarge(limit: number): string {
  return `is larger than ${limit} bytes, the limit. Send less, or raise \`limits.payload\``
}

type Step = (open: Open) => string

/** A container that is being written. */
class Open {
  readonly value: object
  readonly type: string | undefined
  /** What is in it, in order, and where that goes in `json`. */
  readonly entries: readonly unknown[]
  readonly keys: readonly string[] | undefined
  readonly json: unknown[] | Record<string, unknown>
  /** How one would write in code where the present entry is. */
  readonly step: Step
  index = 0
  children: Children | undefined

  constructor(
    value: object,
    type: string | undefined,
    entries: readonly unknown[],
    keys: readonly string[] | undefined,
    step: Step,
  ) {
    this.value = value
    this.type = type
    this.entries = entries
    this.keys = keys
    this.json = keys ? {} : []
    this.step = step
  }
}

/** A stand-in that is written, or the container whose content follows. */
interface Stand {
  readonly json: unknown
  readonly note: string | undefined
  readonly open?: Open
}

const HOLE: Stand = { json: null, note: 'hole' }

class RichWriter {
  readonly #root: string
  readonly #limit: number
  /** Every container met so far and its number; only those around the present one while there are no references. */
  readonly #numbers = new Map<object, number>()
  readonly #references: boolean
  readonly #parts: PartList | undefined
  readonly #open: Open[] = []
  #size = 0
  /** Characters of regular expressions so far. */
  #patterns = 0

  constructor(root: string, limit: number, references: boolean, parts: PartList | undefined) {
    this.#root = root
    this.#limit = limit
    this.#references = references
    this.#parts = parts
  }

  /** Undefined when the value contains itself, and there are no references. */
  write(value: unknown): Written | undefined {
    const first = this.#begin(value)
    if (first === undefined) return undefined
    let annotation: Annotation | undefined = first.note === undefined ? undefined : [first.note]
    for (let top = this.#open.at(-1); top !== undefined; top = this.#open.at(-1)) {
      if (top.index < top.entries.length) {
        if (!this.#writeNext(top)) return undefined
        continue
      }
      this.#open.pop()
      if (!this.#references) this.#numbers.delete(top.value)
      annotation = annotationOf(top)
      const around = this.#open.at(-1)
      if (around && annotation !== undefined) note(around, around.index - 1, annotation)
    }
    if (annotation === undefined) return { form: { json: first.json }, size: this.#size }
    const refs = this.#references ? { refs: true as const } : {}
    return { form: { json: first.json, meta: { v: FORM_VERSION, values: annotation, ...refs } }, size: this.#size }
  }

  #writeNext(top: Open): boolean {
    const index = top.index++
    const entry = top.entries[index]
    const isHole = entry === undefined && top.entries === top.value && !(index in top.value)
    const stand = isHole ? HOLE : this.#begin(entry)
    if (stand === undefined) return false
    if (top.keys) (top.json as Record<string, unknown>)[top.keys[index] as string] = stand.json
    else (top.json as unknown[]).push(stand.json)
    if (stand.note !== undefined) note(top, index, [stand.note])
    return true
  }

  /** Writes what stands for the value, and opens it when there is more inside. Undefined: it contains itself. */
  #begin(value: unknown): Stand | undefined {
    const stand = typeof value === 'object' && value !== null ? this.#object(value) : this.#primitive(value)
    if (stand?.note !== undefined) this.#size += stand.note.length + 10
    if (this.#size > this.#limit) throw this.#refuse(tooLarge(this.#limit))
    if (stand?.open) {
      if (this.#open.length >= MAX_DEPTH)
        throw this.#refuse(`is nested more than ${MAX_DEPTH} levels deep. Send a flatter value`)
      this.#open.push(stand.open)
    }
    return stand
  }

  #primitive(value: unknown): Stand {
    switch (typeof value) {
      case 'string':
        this.#size += value.length + 2
        return { json: value, note: undefined }
      case 'number':
        this.#size += digitsOf(value) + 1
        if (Number.isFinite(value) && !Object.is(value, -0)) return { json: value, note: undefined }
        return { json: Object.is(value, -0) ? '-0' : String(value), note: 'number' }
      case 'boolean':
        this.#size += 5
        return { json: value, note: undefined }
      case 'undefined':
        return { json: null, note: 'undefined' }
      case 'bigint': {
        // The hexadecimal text is never the longer one, and costs no quadratic time.
        const long = value.toString(16).length > MAX_DIGITS
        const digits = long ? '' : value.toString()
        if (long || digits.length > MAX_DIGITS) throw this.#refuse(`is a BigInt of more than ${MAX_DIGITS} digits`)
        this.#size += digits.length + 2
        return { json: digits, note: 'bigint' }
      }
      case 'function':
        throw this.#refuse('is a function, which cannot be sent. Send data, and let the other side choose the function')
      case 'symbol':
        throw this.#refuse('is a symbol, which cannot be sent. Send a string')
      default:
        this.#size += 5
        return { json: null, note: undefined }
    }
  }

  #object(value: object): Stand | undefined {
    // Most are plain: what they are not need not be asked of them one by one.
    if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) {
      const leaf = this.#leaf(value)
      if (leaf) return leaf
    }
    const number = this.#numbers.get(value)
    if (number !== undefined) {
      this.#size += 6
      return this.#references ? { json: number, note: 'ref' } : undefined
    }
    this.#numbers.set(value, this.#numbers.size)
    this.#size += 2
    const open = this.#enter(value)
    return { json: open.type === 'error' ? this.#errorForm(value as Error, open) : open.json, note: undefined, open }
  }

  #leaf(value: object): Stand | undefined {
    if (isBinary(value)) {
      this.#size += Math.ceil((value.byteLength * 4) / 3) + 30
      if (this.#size > this.#limit) throw this.#refuse(tooLarge(this.#limit))
      return { json: this.#parts?.add(kindOf(value), viewOf(value)) ?? toBinaryRecord(value), note: 'binary' }
    }
    if (value instanceof Date) {
      this.#size += 16
      return { json: Number.isNaN(value.getTime()) ? null : value.getTime(), note: 'Date' }
    }
    return value instanceof RegExp || value instanceof URL ? this.#text(value) : undefined
  }

  #text(value: RegExp | URL): Stand {
    const text = String(value)
    this.#size += text.length + 2
    if (value instanceof URL) {
      const cost = costOfAddress(text)
      if (cost) throw this.#refuse(`is a URL that ${cost}. Send it as a text`)
      return { json: text, note: 'URL' }
    }
    this.#patterns += text.length
    if (this.#patterns > MAX_PATTERNS)
      throw this.#refuse(`brings the regular expressions to more than ${MAX_PATTERNS} characters. Send their sources`)
    const cost = costOfPattern(text)
    if (cost)
      throw this.#refuse(`is a regular expression that ${cost}, which takes long to compile. Send its source and flags`)
    return { json: text, note: 'regexp' }
  }

  #enter(value: object): Open {
    if (Array.isArray(value)) {
      // Each has a comma or a stand-in: a length alone takes no room in the memory of whoever made it.
      this.#size += value.length * 2
      if (this.#size > this.#limit) throw this.#refuse(tooLarge(this.#limit))
      return new Open(value, undefined, value, undefined, stepInArray)
    }
    if (value instanceof Map) return new Open(value, 'map', [...value].flat(1), undefined, stepInMap)
    if (value instanceof Set) return new Open(value, 'set', [...value], undefined, stepInSet)
    const isError = value instanceof Error
    const prototype = Object.getPrototypeOf(value)
    if (!isError && prototype !== Object.prototype && prototype !== null) throw this.#refuse(describeInstance(value))
    const keys = Object.keys(value)
    if (isError && 'cause' in value && !keys.includes('cause')) keys.push('cause')
    const entries = keys.map((key) => this.#read(value, key))
    return new Open(value, isError ? 'error' : undefined, entries, keys, stepInObject)
  }

  #errorForm(error: Error, { json }: Open): ErrorForm {
    const [name, message, stack] = ['name', 'message', 'stack'].map((key) => this.#read(error, key))
    const form = {
      name: String(name),
      message: String(message),
      stack: typeof stack === 'string' ? stack : undefined,
      own: json as Record<string, unknown>,
    }
    this.#size += form.name.length + form.message.length + (form.stack?.length ?? 0) + 40
    return form
  }

  #read(value: object, key: string): unknown {
    this.#size += key.length + 4
    if (key === '__proto__')
      throw this.#refuse('has a property named __proto__, which is refused because it can change prototypes. Rename it')
    try {
      return (value as Record<string, unknown>)[key]
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause)
      throw this.#refuse(`has a getter ${JSON.stringify(key)} that throws (${message})`)
    }
  }

  #refuse(reason: string): PayloadError {
    const steps = this.#open.map((open) => open.step(open))
    return new PayloadError({ path: `${this.#root}${steps.join('')}`, reason })
  }
}

function note(open: Open, index: number, annotation: Annotation): void {
  open.children ??= {}
  open.children[open.keys ? (open.keys[index] as string) : String(index)] = annotation
}

function annotationOf({ type, children }: Open): Annotation | undefined {
  if (type === undefined) return children
  return children === undefined ? [type] : [type, children]
}

const stepInArray: Step = ({ index }) => `[${index - 1}]`
const stepInSet: Step = ({ index }) => `.values()[${index - 1}]`

const stepInObject: Step = ({ keys, index }) => {
  const key = (keys as readonly string[])[index - 1] as string
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}

const stepInMap: Step = ({ entries, index }) => {
  const at = (index - 1) >> 1
  if (index % 2 === 1) return `.keys()[${at}]`
  const key = entries[index - 2]
  return `.get(${typeof key === 'string' ? JSON.stringify(key) : `keys()[${at}]`})`
}

function describeInstance(value: object): string {
  const name = value.constructor?.name
  const what = name && name !== 'Object' ? `an instance of ${name}` : 'an object with a prototype of its own'
  return `is ${what}, which would arrive without its class. Send a plain object`
}
