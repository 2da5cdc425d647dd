import type { CallFrame } from '../../protocol/frames.js'
import type { MethodTraits } from '../../protocol/method-table.js'

/** Refusals of one worker that say nothing about the others: it certainly did not start the call. */
const REFUSED_HERE = new Set(['ERR_MAILBOX_FULL', 'ERR_CALL_CYCLE'])

/** May a call that one worker has refused go to another? A pure function of the call and the refusal's code. */
export function mayTryAnother(frame: Pick<CallFrame, 'to'>, code: string): boolean {
  return frame.to === 'any' && REFUSED_HERE.has(code)
}

/**
 * May a call be sent again whose process died before it answered? Only what may happen twice, and once more at most: a call
 * that kills its worker must not kill every replacement.
 */
export function mayRepeat(lostBefore: boolean, traits: MethodTraits | undefined): boolean {
  return !lostBefore && traits?.idempotent === true
}
