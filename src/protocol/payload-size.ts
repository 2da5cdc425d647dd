import { isInlineText, isParts, type Payload } from './payload-forms.js'

/** Characters. Of one that has arrived inline from another process nothing is known: 0. */
export function sizeOfPayload(payload: Payload): number {
  if (typeof payload === 'string') return payload.length
  if (isInlineText(payload)) return payload.text.length
  return isParts(payload) ? payload.size : 0
}
