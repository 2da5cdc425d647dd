// What this page has seen of one room, by message number. No DOM in here.

/** As many as the server keeps, and then some: a long evening must not fill the page's memory. */
const KEPT = 500

/** @typedef {{ seq: number, at: number, person: string, name: string, text: string, nonce?: string }} Message */

export class History {
  /** @type {string | undefined} */
  log
  /** @type {Message[]} */
  messages = []
  /** Whether there were older messages than the first one here. */
  truncated = false
  /** The newest message that has been on the screen while the window was in front. */
  readTo = 0

  get last() {
    return this.messages.at(-1)?.seq ?? 0
  }

  /** What to ask for after a reconnect. */
  get position() {
    return this.log === undefined ? undefined : { log: this.log, seq: this.last }
  }

  /**
   * Takes the answer to a join. True when it continues what is here, false when it replaces it.
   * @param {{ log: string, resumed: boolean, truncated: boolean, messages: Message[] }} joined
   */
  join(joined) {
    const continues = joined.resumed && joined.log === this.log
    if (!continues) {
      if (joined.log !== this.log) this.readTo = 0
      this.log = joined.log
      this.messages = []
      this.truncated = joined.truncated
    }
    for (const message of joined.messages) this.add(message)
    return continues
  }

  /**
   * True when the message is new here.
   * @param {Message} message
   */
  add(message) {
    if (message.seq <= this.last) return false
    this.messages.push(message)
    if (this.messages.length > KEPT) {
      this.messages.shift()
      this.truncated = true
    }
    return true
  }
}
