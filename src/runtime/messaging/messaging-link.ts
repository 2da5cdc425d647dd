import { type CallDetails, CallTimeoutError } from '../../protocol/errors.js'
import type { MessagingUpFrame, WireTarget } from '../../protocol/frames.js'
import type { Clock } from '../clock.js'

/** The way to the router, as this process's messaging uses it. */
export interface MessagingLink {
  send(frame: MessagingUpFrame): void
  /** Would data to there have to wait beyond the link's limit? */
  full(to?: WireTarget): boolean
  flushed(to?: WireTarget): Promise<void>
}

/** Waits until the link has taken what was sent, and not for ever: a process that is stopped takes nothing. */
export async function handOver(
  link: MessagingLink,
  clock: Clock,
  timeout: number,
  name: CallDetails,
  to?: WireTarget,
): Promise<void> {
  const taken = await new Promise<boolean>((resolve) => {
    const timer = clock.after(timeout, () => resolve(false))
    void link.flushed(to).then(() => {
      timer.cancel()
      resolve(true)
    })
  })
  if (!taken) throw new CallTimeoutError({ ...name, timeout, sent: 'maybe', stage: { kind: 'unknown' } })
}
