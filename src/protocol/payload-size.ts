import { type ItemPayload, isInlineText, isParts, type Payload } from './payload-forms.js'

/** Characters. Of one that has arrived inline from another process nothing is known: 0. */
export function sizeOfPayload(payload: Payload): number {
  if (typeof payload === 'string') return payload.length
  if (isInlineText(payload)) return payload.json.length
  return isParts(payload) ? payload.size : 0
}

/** Of one item of a stream, the same for its sender and its reader. */
export function sizeOfItem(item: ItemPayload): number {
  return typeof item === 'string' ? item.length : (item?.size ?? 0)
}
