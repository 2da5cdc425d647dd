// What was written and is not yet promised by the server. No DOM in here, so that it can be tested without a browser.
//
// One message is under way at a time: that keeps one's own messages in order, whatever is refused or lost in between.
// It is kept in session storage, so that reloading the page loses nothing either; a message that the server had
// already taken is recognised by its nonce and not doubled.

/** More than this is waiting only when the connection has been gone for long. */
export const OUTBOX_LIMIT = 20

/** @typedef {{ room: string, nonce: string, text: string, at: number }} Unsent */

export class Outbox {
  /** @type {Unsent[]} */
  #items = []
  /** @type {string | undefined} */
  #underWay
  /** @type {(items: Unsent[]) => void} */
  #save

  /** @param {{ items?: Unsent[], save?: (items: Unsent[]) => void }} [options] */
  constructor({ items = [], save = () => {} } = {}) {
    this.#items = items.slice(0, OUTBOX_LIMIT)
    this.#save = save
  }

  get isFull() {
    return this.#items.length >= OUTBOX_LIMIT
  }

  /** @param {Unsent} item */
  add(item) {
    this.#items.push(item)
    this.#save(this.#items)
  }

  /** @param {string} room */
  in(room) {
    return this.#items.filter((item) => item.room === room)
  }

  /**
   * The next message to send in this room, or nothing while another one is under way.
   * @param {string} room
   */
  next(room) {
    if (this.#underWay !== undefined) return undefined
    const item = this.#items.find((candidate) => candidate.room === room)
    this.#underWay = item?.nonce
    return item
  }

  /**
   * The server has it, or will never take it.
   * @param {string} nonce
   */
  remove(nonce) {
    if (this.#underWay === nonce) this.#underWay = undefined
    const item = this.#items.find((candidate) => candidate.nonce === nonce)
    if (!item) return undefined
    this.#items = this.#items.filter((candidate) => candidate !== item)
    this.#save(this.#items)
    return item
  }

  /** The connection is gone, or the server said "later": what was under way has to be sent again. */
  retry() {
    this.#underWay = undefined
  }
}
