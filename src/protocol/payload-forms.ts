/**
 * An encoded value, read only by its final receiver. Inline where the primary is one end of the way; an opaque JSON text
 * of the same where the primary merely passes it on. Absent: `undefined`.
 */
export type Payload = InlinePayload | InlineText | string | undefined

/** `plain` is the value itself, because JSON keeps it whole; `rich` is the form of `rich-form.ts`. */
export type InlinePayload = { readonly plain: unknown } | { readonly rich: object }

/**
 * A payload that is written inline: its JSON text, made once, when the value was handed over. Whoever changes the value later
 * changes nothing of it, and its size is known. `toJSON`: for carriers that make their own text of a whole frame.
 */
export class InlineText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toJSON(): InlinePayload {
    return JSON.parse(this.text) as InlinePayload
  }
}
