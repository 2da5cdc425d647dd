/**
 * An encoded value, read only by its final receiver. Opaque, a JSON text, where the primary passes it on; inline where it is one
 * end of the way, or nobody is between the two. Absent: `undefined`.
 */
export type Payload = InlinePayload | InlineText | string | undefined

/** `plain` is the value itself, because JSON keeps it whole; `rich` is the form of `rich-form.ts`. */
export type InlinePayload = { readonly plain: unknown } | { readonly rich: object }

/**
 * What marks the two kinds of encoded payloads. Not their class: the preload and the program each have a copy of this file, and
 * one writes what the other has encoded. JSON has no symbols, so that nothing that arrives can be taken for one of them.
 */
export const KIND: unique symbol = Symbol.for('troupe.payload')

export function isInlineText(payload: unknown): payload is InlineText {
  return kindOf(payload) === 'text'
}

export function isParts(payload: unknown): payload is EncodedParts {
  return kindOf(payload) === 'parts'
}

/** What was encoded for whoever reads it at once, as it goes where only text can, or the primary passes it on. */
export function asOpaque(payload: Payload): Payload {
  if (isParts(payload)) return payload.toText()
  return isInlineText(payload) ? payload.text : payload
}

/** Characters of another process's text that are parsed to be checked. */
const MAX_PARSED = 16 * 1024

/** How an opaque payload begins, by its form; `}` ends it. */
const BEGINNINGS = { plain: '{"plain":', rich: '{"rich":' } as const

/**
 * An opaque payload as an inline one, for a message with several readers: each is spared a text in a text. The text is another
 * process's and is written unescaped, so what it says is parsed first; what is not one line of JSON in one of our forms, or not to
 * be written in UTF-8, stays opaque.
 */
export function inlineIfJson(payload: Payload): Payload {
  if (typeof payload !== 'string' || payload.length > MAX_PARSED || payload.includes('\n') || !payload.isWellFormed())
    return payload
  const form = payload.startsWith(BEGINNINGS.plain) ? 'plain' : 'rich'
  const json = payload.slice(BEGINNINGS[form].length, -1)
  const inline = new InlineText(form, json)
  return inline.text === payload && isJson(json) ? inline : payload
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
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
 * A payload that is written inline: the JSON text of the value or its rich form, made once, when the value was handed over. Whoever
 * changes the value later changes nothing of it, and its size is known.
 */
export class InlineText {
  readonly [KIND] = 'text'
  readonly form: 'plain' | 'rich'
  readonly json: string

  constructor(form: 'plain' | 'rich', json: string) {
    this.form = form
    this.json = json
  }

  /** An opaque payload of the same value. */
  get text(): string {
    return `${BEGINNINGS[this.form]}${this.json}}`
  }

  /** For carriers that make their own text of a whole frame. */
  toJSON(): InlinePayload {
    return JSON.parse(this.text) as InlinePayload
  }
}
