import type { CallFrame } from '../../../protocol/frames.js'
import { isInlineText, isParts, type Payload } from '../../../protocol/payload-forms.js'

/** A call to another worker that was encoded for a link, as it can go by the primary: a text that it need not read. */
export function textOnly(frame: CallFrame): CallFrame {
  const text = textOf(frame.payload)
  return text === undefined ? frame : { ...frame, payload: text }
}

function textOf(payload: Payload): string | undefined {
  if (isParts(payload)) return payload.toText()
  return isInlineText(payload) ? payload.text : undefined
}
