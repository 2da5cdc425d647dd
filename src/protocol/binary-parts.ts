import type { BinaryRecord } from './binary.js'
import { type EncodedParts, type InlinePayload, KIND } from './payload-forms.js'
import { isDirect } from './routes.js'

/*
 * Binary values that travel as bytes, beside the JSON and not in it: on links between two workers, which nobody else reads.
 * In the form such a value is `{ type, part }`, where `part` is its place among the payload's parts.
 */

/** One binary value, copied when it was encoded: its owner may change it before it is written. */
export class BinaryPart {
  readonly type: string
  readonly part: number
  readonly #bytes: Buffer

  constructor(type: string, part: number, bytes: Buffer) {
    this.type = type
    this.part = part
    this.#bytes = bytes
  }

  /** As it goes where only text can. */
  toRecord(): BinaryRecord {
    return { type: this.type, data: this.#bytes.toString('base64') }
  }
}

/** Where copies of binary values are put. */
export interface PartMemory {
  /** Of exactly so many bytes, and of whatever content; nobody else has it. */
  take(bytes: number): Buffer
}

/** New each time, and the collector's when it is of no more use. */
export const FRESH_MEMORY: PartMemory = { take: (bytes) => Buffer.allocUnsafeSlow(bytes) }

/** For what answers a call that has come under that number: over a link or not. */
export function memoryForAnswer(route: number): PartMemory | undefined {
  return isDirect(route) ? FRESH_MEMORY : undefined
}

/** Collects the parts of one payload. */
export class PartList {
  readonly #memory: PartMemory
  readonly parts: Buffer[] = []
  size = 0

  constructor(memory: PartMemory) {
    this.#memory = memory
  }

  clear(): void {
    this.parts.length = 0
    this.size = 0
  }

  add(type: string, { buffer, byteOffset, byteLength }: ArrayBufferView): BinaryPart {
    const bytes = this.#memory.take(byteLength)
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength))
    this.parts.push(bytes)
    this.size += byteLength
    return new BinaryPart(type, this.parts.length - 1, bytes)
  }
}

/** What an encoded value is that has parts. Not of the wire: a link writes `text` and the parts, all else `toText`. */
export class PartsPayload implements EncodedParts {
  readonly [KIND] = 'parts'
  readonly rich: object
  readonly parts: readonly Buffer[]
  /** In characters, about, as a text: what the limits count, whichever way it goes. */
  readonly size: number
  /** Of that, the parts. */
  readonly partsSize: number

  constructor(rich: object, { parts, size: bytes }: PartList, size: number) {
    this.rich = rich
    this.parts = parts
    this.size = size
    this.partsSize = Math.ceil((bytes * 4) / 3)
  }

  /** An opaque payload of the same value. */
  toText(): string {
    return JSON.stringify({ rich: this.rich }, (_, value: unknown) =>
      value instanceof BinaryPart ? value.toRecord() : value,
    )
  }
}

/** Bytes that arrived beside the JSON, in a memory of their own. */
export type ArrivedPayload = InlinePayload & { readonly parts?: readonly unknown[] | undefined }

/** The part that a record names; undefined when it names none that has come. */
export function partOf(record: unknown, parts: readonly unknown[] | undefined): Uint8Array | undefined {
  const { part } = (record ?? {}) as { readonly part?: unknown }
  const bytes = typeof part === 'number' ? parts?.[part] : undefined
  return bytes instanceof Uint8Array ? bytes : undefined
}
