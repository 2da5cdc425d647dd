import { toRecord } from './error-record.js'
import { PayloadError, type Sent } from './errors.js'
import type { CancelFrame, DownFrame, DroppedFrame, FailureFrame, PeerFrame, UpFrame, WireTarget } from './frames.js'

export interface StandIn<Back = FailureFrame | CancelFrame> {
  /** For the other side, in the frame's place. */
  readonly instead?: FailureFrame
  /** For this side, as if the other had answered so. */
  readonly back?: Back
}

/**
 * A frame that could not be written (names or errors without measure, a value that fights back) still ends its call at once:
 * a question is answered to whoever asked, an answer is replaced by the reason why there is none, a stream ends with it. What
 * nobody waits for is lost.
 */
export function standInFor(frame: DownFrame, cause: unknown): StandIn
export function standInFor(frame: PeerFrame, cause: unknown): StandIn
export function standInFor(frame: UpFrame, cause: unknown): StandIn<FailureFrame | CancelFrame | DroppedFrame>
export function standInFor(
  frame: UpFrame | DownFrame | PeerFrame,
  cause: unknown,
): StandIn<FailureFrame | CancelFrame | DroppedFrame> {
  const reason = `cannot be sent: ${messageOf(cause)}`
  const refused = (path: string, id: number, sent?: Sent): FailureFrame => ({
    kind: 'failure',
    id,
    error: toRecord(new PayloadError({ path, reason, sent })),
  })
  switch (frame.kind) {
    case 'call':
      if (frame.id !== undefined) return { back: refused('args', frame.id) }
      return frame.cast === undefined ? {} : { back: dropped(frame.to, frame.cast, reason) }
    case 'invoke':
      return frame.route === undefined ? {} : { back: refused('args', frame.route) }
    case 'result':
      return { instead: refused('result', frame.id, 'yes') }
    case 'failure':
      return { instead: refused('the error', frame.id, (frame.error.details as { sent?: Sent }).sent) }
    case 'items':
      return {
        instead: refused(`items[${frame.first}]`, frame.id, 'yes'),
        back: { kind: 'cancel', id: frame.id },
      }
    default:
      return {}
  }
}

function dropped(to: WireTarget, cast: number, reason: string): DroppedFrame {
  return { kind: 'dropped', to, cast, error: toRecord(new PayloadError({ path: 'args', reason, sent: 'no' })) }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
