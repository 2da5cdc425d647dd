import type { ConnectionFrame } from '../../protocol/frames.js'
import type { Incarnation } from '../../protocol/ids.js'
import type { Clock } from '../clock.js'
import type { HandOff } from './hand-off.js'
import { tellStep } from './hand-off-steps.js'
import type { Seat } from './listener.js'

export interface OffersOptions {
  readonly clock: Clock
  readonly send: (to: Incarnation, frame: ConnectionFrame, handle: unknown) => void
}

interface Offer {
  readonly handOff: HandOff
  /** The program may have closed that server since, and have opened another. */
  readonly seat: Seat
  readonly since: number
}

/**
 * Connections on their way: sent to a worker, and neither taken nor refused. One that is offered again has a new number, so
 * that a late answer to the first offer means nothing.
 */
export class Offers {
  readonly #options: OffersOptions
  readonly #open = new Map<Incarnation, Map<number, Offer>>()
  #lastNumber = 0

  constructor(options: OffersOptions) {
    this.#options = options
  }

  get count(): number {
    let count = 0
    for (const offers of this.#open.values()) count += offers.size
    return count
  }

  countTo(worker: Incarnation): number {
    return this.#open.get(worker)?.size ?? 0
  }

  numbersTo(worker: Incarnation): number[] {
    return [...(this.#open.get(worker)?.keys() ?? [])]
  }

  /** Since when the oldest offer to this worker is unanswered. */
  oldestSince(worker: Incarnation): number | undefined {
    const [oldest] = this.#open.get(worker)?.values() ?? []
    return oldest?.since
  }

  make(handOff: HandOff, seat: Seat): void {
    const { clock, send } = this.#options
    const { id, listener, head, peer, connection } = handOff
    const to = seat.ref.incarnation
    handOff.state = { kind: 'offered' }
    seat.offered++
    const number = ++this.#lastNumber
    this.#offersTo(to).set(number, { handOff, seat, since: clock.now() })
    const text = head?.length ? Buffer.from(head.buffer, head.byteOffset, head.length).toString('base64') : undefined
    send(
      to,
      { kind: 'connection', id: number, connection: id, listener: listener.id, head: text, peer },
      connection.handle,
    )
    tellStep('offered', id, to)
  }

  /** The worker has taken or refused it. Undefined when no such offer is open: it was closed before, or the worker made the number up. */
  close(from: Incarnation, number: number): Offer | undefined {
    const offers = this.#open.get(from)
    const offer = offers?.get(number)
    if (!offer) return undefined
    offers?.delete(number)
    offer.seat.offered--
    return offer
  }

  /** The worker is gone, and its seats with it, so that nothing is counted back. Gives what it had not answered, oldest first. */
  closeAll(from: Incarnation): HandOff[] {
    const offers = this.#open.get(from)
    this.#open.delete(from)
    return [...(offers?.values() ?? [])].map(({ handOff }) => handOff)
  }

  #offersTo(worker: Incarnation): Map<number, Offer> {
    const offers = this.#open.get(worker) ?? new Map<number, Offer>()
    this.#open.set(worker, offers)
    return offers
  }
}
