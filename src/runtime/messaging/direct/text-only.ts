import type { MessagingUpFrame } from '../../../protocol/frames.js'
import { isParts } from '../../../protocol/payload-forms.js'

/** A frame as it can go by the primary: what was to be bytes on a link is text there. */
export function textOnly(frame: MessagingUpFrame): MessagingUpFrame {
  const { payload } = frame as { readonly payload?: unknown }
  return isParts(payload) ? ({ ...frame, payload: payload.toText() } as MessagingUpFrame) : frame
}
