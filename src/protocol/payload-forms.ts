/**
 * An encoded value, read only by its final receiver. Inline where the primary is one end of the way; an opaque JSON text
 * of the same where the primary merely passes it on. Absent: `undefined`.
 */
export type Payload = InlinePayload | InlineText | PlainText | string | undefined

/** `plain` is the value itself, because JSON keeps it whole; `rich` is the form of `rich-form.ts`. */
export type InlinePayload = { readonly plain: unknown } | { readonly rich: object }

/**
 * What marks the two kinds of encoded payloads. Not their class: the preload and the program each have a copy of this file, and
 * one writes what the other has encoded. JSON has no symbols, so that nothing that arrives can be taken for one of them.
 */
export const KIND: unique symbol = Symbol.for('troupe.payload')

export function isInlineText(payload: unknown): payload is InlineText | PlainText {
  const kind = kindOf(payload)
  return kind === 'plain' || kind === 'text'
}

export function isPlainText(payload: unknown): payload is PlainText {
  return kindOf(payload) === 'plain'
}

export function isParts(payload: unknown): payload is EncodedParts {
  return kindOf(payload) === 'parts'
}

/** Characters of another process's text that are parsed to be checked. */
const MAX_PARSED = 16 * 1024

/**
 * An opaque payload as an inline one, for a message with several readers: each is spared a text in a text. The text is another
 * process's and is written unescaped, so it is parsed first; what is not one line of JSON, or not to
 * be written in UTF-8, stays opaque.
 */
export function inlineIfJson(payload: Payload): Payload {
  if (typeof payload !== 'string' || payload.length > MAX_PARSED || payload.includes('\n') || !payload.isWellFormed())
    return payload
  const plain = plainJsonIn(payload)
  if (plain !== undefined && isJson(plain)) return new PlainText(plain)
  return isJson(payload) && payload.startsWith('{') ? new InlineText(payload) : payload
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const PLAIN_FORM = '{"plain":'

/** What stands in an opaque payload for a plain value: JSON itself, if whoever wrote the payload may be trusted. */
export function plainJsonIn(payload: string): string | undefined {
  return payload.startsWith(PLAIN_FORM) && payload.endsWith('}') ? payload.slice(PLAIN_FORM.length, -1) : undefined
}

/** What is written of a value that has parts (`binary-parts.ts`). */
export interface EncodedParts {
  readonly [KIND]: 'parts'
  readonly rich: object
  readonly parts: readonly Buffer[]
  /** In characters, about, as a text. */
  readonly size: number
  /** An opaque payload of the same value. */
  toText(): string
}

/**
 * One item of a stream: an opaque payload, null for `undefined`. On a link that carries bytes, what has parts is encoded as such,
 * and arrives with them and its size, by which both sides count.
 */
export type ItemPayload = string | null | EncodedParts | ArrivedParts

export interface ArrivedParts {
  readonly rich: object
  readonly parts: readonly Uint8Array[]
  readonly size: number
}

function kindOf(payload: unknown): unknown {
  return typeof payload === 'object' && payload !== null ? (payload as { [KIND]?: unknown })[KIND] : undefined
}

/**
 * A payload that is written inline: its JSON text, made once, when the value was handed over. Whoever changes the value later
 * changes nothing of it, and its size is known. `toJSON`: for carriers that make their own text of a whole frame.
 */
export class InlineText {
  readonly [KIND] = 'text'
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toJSON(): InlinePayload {
    return JSON.parse(this.text) as InlinePayload
  }
}

/** The same of a plain value, whose JSON it keeps: most frames have room for that alone. */
export class PlainText {
  readonly [KIND] = 'plain'
  readonly json: string

  constructor(json: string) {
    this.json = json
  }

  get text(): string {
    return `${PLAIN_FORM}${this.json}}`
  }

  toJSON(): InlinePayload {
    return { plain: JSON.parse(this.json) }
  }
}
