import type { Payload } from '../../../protocol/frames.js'
import { sizeOfPayload } from '../../../protocol/payload-size.js'

/*
 * Nobody answers a cast, so a worker could not know that one which it has sent is dropped on the way. So each of its casts
 * has a place: how much this worker has cast to that address, this one included. The router says by the place which one it
 * has dropped, and now and then up to where all have passed on. A worker is that much ahead of it without asking, and awaits
 * the word for every cast beyond: that costs one frame for hundreds of casts, and none of them waits while all goes well.
 */

/** How far a worker may be ahead of the router's word: what of its casts may be dropped when nobody waits for them. */
export const CAST_ROOM = 256 * 1024

/** The router says how far it is after so much, so that a worker which goes on need not wait for it. */
export const CAST_NOTICE = CAST_ROOM / 2

/** What a frame is beside its payload, near enough: casts without arguments are not for nothing. */
const ENVELOPE = 256

/** How far a cast moves its sender on, in characters. */
export function lengthOf(payload: Payload): number {
  return sizeOfPayload(payload) + ENVELOPE
}
