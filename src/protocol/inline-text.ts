import { PartsPayload } from './binary-parts.js'
import type { InlinePayload, Payload } from './frames.js'

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

/** Characters. Of one that has arrived inline from another process nothing is known: 0. */
export function sizeOfPayload(payload: Payload): number {
  if (typeof payload === 'string') return payload.length
  if (payload instanceof InlineText) return payload.text.length
  return payload instanceof PartsPayload ? payload.size : 0
}
