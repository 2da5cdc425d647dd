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

/** Connections that were sent to a worker and not acknowledged, by worker. Each time one is offered, the offer has a number of its own. */
export class Offers {
  readonly #options: OffersOptions
  readonly #open = new Map<Incarnation, Map<number, HandOff>>()
  #last = 0

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

  /** When the oldest one was made that this worker has not answered. */
  oldestTo(worker: Incarnation): number | undefined {
    const [oldest] = this.#open.get(worker)?.values() ?? []
    return oldest?.state.kind === 'offered' ? oldest.state.since : undefined
  }

  make(handOff: HandOff, seat: Seat): void {
    const { clock, send } = this.#options
    const { id, listener, head, peer, connection } = handOff
    const to = seat.ref.incarnation
    handOff.state = { kind: 'offered', seat, since: clock.now() }
    seat.offered++
    const number = ++this.#last
    this.#offersTo(to).set(number, handOff)
    const text = head?.length ? Buffer.from(head.buffer, head.byteOffset, head.length).toString('base64') : undefined
    send(
      to,
      { kind: 'connection', id: number, connection: id, listener: listener.id, head: text, peer },
      connection.handle,
    )
    tellStep('offered', id, to)
  }

  /** The worker has answered: it is on its way no more. Undefined when it was not, as far as is known here. */
  close(from: Incarnation, number: number): { readonly handOff: HandOff; readonly seat: Seat } | undefined {
    const offers = this.#open.get(from)
    const handOff = offers?.get(number)
    if (handOff?.state.kind !== 'offered') return undefined
    offers?.delete(number)
    // The seat that it was offered: the program may have closed that server, and have opened another since.
    const { seat } = handOff.state
    seat.offered--
    return { handOff, seat }
  }

  /** The worker lives no more. Gives all that it had not answered. */
  closeAll(from: Incarnation): HandOff[] {
    const offers = this.#open.get(from)
    this.#open.delete(from)
    return [...(offers?.values() ?? [])]
  }

  #offersTo(worker: Incarnation): Map<number, HandOff> {
    const offers = this.#open.get(worker) ?? new Map<number, HandOff>()
    this.#open.set(worker, offers)
    return offers
  }
}
