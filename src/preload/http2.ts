import { writeSync } from 'node:fs'
import type { Http2Session } from 'node:http2'
import type { Clock } from '../runtime/clock.js'

/** GOAWAY on stream 0, with no error and the highest stream id there is: "open no more, all that you have sent is served". */
const NOTICE = Buffer.from('000008 07 00 00000000 7fffffff 00000000'.replaceAll(' ', ''), 'hex')

/** How long a client may take to answer the ping behind the notice, ms: a round trip of the slowest network, and some. */
const ROUND_TRIP = 1_000

/**
 * Ends a session without losing a stream that is on its way (RFC 9113 6.8): a notice, and after a round trip, when the
 * client has read it and all that it sent before has arrived, the GOAWAY that names the last stream served. The session
 * ends with its last stream. Over TLS there is no way to send the notice, see `notify`: what is on its way then is
 * refused in the way that tells a client to send it again.
 */
export function goAway(session: Http2Session, clock: Clock): void {
  const close = (): void => session.close()
  // One turn later, so that a new session has sent its settings, which have to be first, and read what has arrived.
  clock.nextTurn(() => {
    const timer = clock.after(ROUND_TRIP, close, { idle: true })
    session.once('close', () => timer.cancel())
    const attempt = (): void => {
      if (session.closed || session.destroyed) return
      const outcome = notify(session)
      if (outcome === 'impossible') return close()
      // Behind the ping that makes room the next attempt finds some, unless the session is always full.
      session.ping(outcome === 'sent' ? close : attempt)
    }
    attempt()
  })
}

/** What node keeps of a connection that it writes to without TLS. */
interface PlainHandle {
  readonly fd?: number
  readonly bytesWritten?: number
  readonly writeQueueSize?: number
}

/**
 * Writes the notice to the descriptor itself. `session.goaway(0, 2 ** 31 - 1)` would send the same bytes, but nghttp2
 * ignores every stream that comes after it, and node does not expose its `nghttp2_submit_shutdown_notice`. A session
 * writes whole frames, so with nothing queued the notice falls between two of them. Through TLS nothing can be written
 * beside the session: node aborts.
 */
function notify(session: Http2Session): 'sent' | 'full' | 'impossible' {
  if (session.encrypted) return 'impossible'
  const handle = (session.socket as unknown as { readonly _handle?: PlainHandle | null })._handle
  if (!handle?.fd || handle.fd < 0 || !handle.bytesWritten) return 'impossible'
  if (handle.writeQueueSize !== 0) return 'full'
  try {
    if (writeSync(handle.fd, NOTICE) === NOTICE.length) return 'sent'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? 'full' : 'impossible'
  }
  // Half a frame is on the wire, and no way to send the rest in its place.
  session.destroy()
  return 'impossible'
}
