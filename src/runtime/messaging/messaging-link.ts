import { type CallDetails, CallTimeoutError } from '../../protocol/errors.js'
import type { MessagingUpFrame } from '../../protocol/frames.js'
import type { Clock } from '../clock.js'
import { within } from '../within.js'

/** The way to the router, as this process's messaging uses it. */
export interface MessagingLink {
  send(frame: MessagingUpFrame): void
  /** Has the link all that it may hold? The primary's own has none; its router refuses by target. */
  readonly full: boolean
  /** Resolve when what was sent last has left, as far as that can be known from here. */
  castFlushed(): Promise<void>
  publishFlushed(): Promise<void>
}

/** Waits until the link has taken what was sent, and not for ever: a process that is stopped takes nothing. */
export async function handOver(
  flushed: Promise<void>,
  clock: Clock,
  timeout: number,
  name: CallDetails,
): Promise<void> {
  const taken = await within(
    clock,
    timeout,
    flushed.then(() => true),
  )
  if (!taken) throw new CallTimeoutError({ ...name, timeout, sent: 'maybe', stage: { kind: 'unknown' } })
}
