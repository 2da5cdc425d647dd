import type { CreditFrame, ItemsFrame, StreamRoom } from '../../../protocol/frames.js'
import type { ItemPayload } from '../../../protocol/payload-forms.js'
import { sizeOfItem } from '../../../protocol/payload-size.js'

/** What a frame of items is to whoever keeps count: the next ones, some that were there before, or what cannot be. */
export type Arrival = 'next' | 'repeated' | 'broken'

/**
 * How much of one stream is on its way: sent, and not yet taken by the reader. The same count is kept by the sender, who
 * stops at the limit; by the router, so that no process can fill the primary's memory; and by the reader, who owes credit.
 * Both sides count from the beginning, so that a frame which comes twice changes nothing.
 */
export class StreamWindow {
  readonly room: StreamRoom
  #sent = 0
  #sentBytes = 0
  #taken = 0
  #takenBytes = 0

  constructor(room: StreamRoom) {
    this.room = room
  }

  /** Items sent since the stream began, which is also the number of the next one. */
  get sent(): number {
    return this.#sent
  }

  /** Items that the sender has been told are taken, since the stream began. */
  get credited(): number {
    return this.#taken
  }

  get creditedBytes(): number {
    return this.#takenBytes
  }

  /** May one more item be sent? One that is larger than the room in bytes goes alone. */
  get isOpen(): boolean {
    return this.#sent - this.#taken < this.room.items && this.#sentBytes - this.#takenBytes < this.room.bytes
  }

  add(item: ItemPayload): void {
    this.#sent++
    this.#sentBytes += sizeOfItem(item)
  }

  /** Counts a frame in. After `broken` the stream cannot go on: something is missing, or more came than may. */
  accept({ first, items }: ItemsFrame): Arrival {
    if (first + items.length <= this.#sent) return 'repeated'
    if (first !== this.#sent) return 'broken'
    for (const item of items) {
      if (!this.isOpen) return 'broken'
      this.add(item)
    }
    return 'next'
  }

  /** The reader has taken that much, from the beginning on. False when it cannot have, or had said more already. */
  credit({ items, bytes }: Pick<CreditFrame, 'items' | 'bytes'>): boolean {
    const possible = items <= this.#sent && bytes <= this.#sentBytes
    if (!possible || items <= this.#taken || bytes < this.#takenBytes) return false
    this.#taken = items
    this.#takenBytes = bytes
    return true
  }
}
