import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server as NetServer } from 'node:net'
import type { WorkerId } from '../protocol/ids.js'
import { headerOf } from '../runtime/connections/http-head.js'
import { drawKey, stickyKey } from '../runtime/connections/sticky-key.js'
import { rendezvous } from '../runtime/placement/rendezvous.js'
import type { ServerSeat } from './server-seat.js'
import { addCookie } from './set-cookie.js'

export interface StickinessOptions {
  /** Which worker this is. */
  readonly id: WorkerId
  readonly seatOf: (server: NetServer) => ServerSeat | undefined
  /** Ends a response's connection with the last of the requests that have arrived on it. */
  readonly closeAfterLast: (response: ServerResponse) => void
}

/** Bytes of a cookie that is given out: nobody guesses another client's worker by trying. */
const KEY_BYTES = 12

/**
 * What is left to the worker of a sticky policy. The primary reads a connection's first request and no other, so a later one
 * may belong elsewhere: it is served here, and its connection ends, so that the next one finds its worker.
 */
export class Stickiness {
  readonly #options: StickinessOptions

  constructor(options: StickinessOptions) {
    this.#options = options
  }

  /** Looks at each request of a server before the program does. */
  request(request: IncomingMessage, response: ServerResponse, server: NetServer): void {
    const { id, seatOf, closeAfterLast } = this.#options
    const seat = seatOf(server)
    if (!seat?.sticky) return
    const { by, issue, perRequest } = seat.sticky
    const { candidates } = seat
    const header = (name: string): string | undefined => headerOf(request.rawHeaders, name)
    const key = stickyKey(by, { target: request.url ?? '', header })
    const isStray = key !== undefined && candidates.length > 0 && rendezvous(key, candidates) !== id
    if (isStray) seat.strayed()
    if (isStray || perRequest) closeAfterLast(response)
    if (key === undefined && issue && 'cookie' in by) {
      // Imported it would cost every worker some milliseconds of its start.
      const { randomBytes } = process.getBuiltinModule('node:crypto')
      const fresh = drawKey(id, candidates, () => randomBytes(KEY_BYTES).toString('base64url'))
      addCookie(response, `${by.cookie}=${fresh}; Path=/; HttpOnly; SameSite=Lax`)
    }
  }
}
