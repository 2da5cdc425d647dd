import { PartsPayload } from './binary-parts.js'
import { InlineText, type Payload } from './payload-forms.js'

/** Characters. Of one that has arrived inline from another process nothing is known: 0. */
export function sizeOfPayload(payload: Payload): number {
  if (typeof payload === 'string') return payload.length
  if (payload instanceof InlineText) return payload.text.length
  return payload instanceof PartsPayload ? payload.size : 0
}
