import { MailboxFullError, PayloadError, type TroupeError } from '../../../protocol/errors.js'
import type { CreditFrame, ItemsFrame, StreamRoom } from '../../../protocol/frames.js'
import type { Limits } from '../../limits.js'
import { nameOf } from '../directory.js'
import type { Endpoint, Route } from '../endpoint.js'
import { StreamWindow } from './stream-window.js'

/**
 * The streams of one reader have room for what a link may hold, all together, but for items that are larger than their
 * stream's room. What those may bring a link to that is not read, in `limits.linkBytes`.
 */
const HELD = 2

/**
 * The router's part in streams: passes items on unread, and credit back. It keeps each stream's count itself, so that a
 * process which sends more than it may cannot fill the primary's memory for a reader that does not read.
 */
export class StreamRoutes {
  readonly #limits: Limits
  readonly #end: (route: Route, error: TroupeError) => void

  /** `end` tells both sides that the stream is over. */
  constructor(limits: Limits, end: (route: Route, error: TroupeError) => void) {
    this.#limits = limits
    this.#end = end
  }

  /** The count of a new stream, which no caller can make larger than the limits. */
  window(room: StreamRoom): StreamWindow {
    const { stream, streamBytes } = this.#limits
    return new StreamWindow({ items: Math.min(room.items, stream), bytes: Math.min(room.bytes, streamBytes) })
  }

  /** How many go on. */
  open(endpoints: Iterable<Endpoint>): number {
    let count = 0
    for (const { waiting } of endpoints) for (const { stream } of waiting.values()) if (stream) count++
    return count
  }

  /** False for what fits no stream of that sender: late, doubled, or from another process than the one asked. */
  items(sender: Endpoint, frame: ItemsFrame): boolean {
    const route = sender.serving.get(frame.id)
    const arrival = route?.stream?.accept(frame)
    if (!route || arrival === undefined || arrival === 'repeated') return false
    if (arrival === 'next') {
      if (route.caller.held < HELD * this.#limits.linkBytes) route.caller.send({ ...frame, id: route.frame.id })
      else this.#end(route, this.#unread(route))
      return true
    }
    const reason = 'was ended by the primary: its worker left items out, or sent more than there was room for'
    this.#end(route, new PayloadError({ path: 'the stream', reason, ...nameOf(route.frame), sent: 'yes' }))
    return false
  }

  #unread({ frame }: Route): MailboxFullError {
    return new MailboxFullError({ ...nameOf(frame), limit: this.#limits.link, queue: 'link', sent: 'yes' })
  }

  /** False for credit to no stream of that reader, or more of it than there were items. */
  credit(reader: Endpoint, frame: CreditFrame): boolean {
    const route = reader.waiting.get(frame.id)
    if (!route?.target || !route.stream?.credit(frame)) return false
    route.target.send({ ...frame, id: route.id })
    return true
  }
}
