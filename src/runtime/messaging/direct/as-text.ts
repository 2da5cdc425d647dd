import { PartsPayload } from '../../../protocol/binary-parts.js'
import type { MessagingUpFrame } from '../../../protocol/frames.js'

/** A frame as it can go by the primary: what was to be bytes on a link is text there. */
export function textOnly(frame: MessagingUpFrame): MessagingUpFrame {
  const { payload } = frame as { readonly payload?: unknown }
  return payload instanceof PartsPayload ? ({ ...frame, payload: payload.toText() } as MessagingUpFrame) : frame
}
