/**
 * One room: who is in it, what was said, and in which order.
 *
 * Pure state, owned by `Rooms` in the primary. It does no I/O and reads no clock. Everything in it is bounded by
 * `LIMITS`; the oldest goes first.
 */
import type { Joined, Person, Position, PostedMessage, Refusal, RoomSummary } from './contract.js'
import { LIMITS, sameName } from './limits.js'

/** One connection's membership. A person with two tabs, or in the middle of a reconnect, has two of them. */
export interface Member extends Person {
  client: string
}

export class Room {
  readonly name: string
  /** Names this log: message numbers of one log mean nothing in another. */
  readonly log: string
  /** When something last happened here; decides which empty room is given up first. */
  touchedAt: number

  /** By connection key. An entry begins with a join and ends with a leave or the worker's death. */
  readonly #members = new Map<string, Member>()
  /** The newest messages, in order, without holes. */
  readonly #messages: PostedMessage[] = []
  /** The length of all of them together. */
  #characters = 0
  #last = 0
  /** `client` and `nonce` to `seq`, oldest first: what makes sending again harmless. */
  readonly #receipts = new Map<string, number>()

  constructor(name: string, log: string, now: number) {
    this.name = name
    this.log = log
    this.touchedAt = now
  }

  get isEmpty(): boolean {
    return this.#members.size === 0
  }

  get isUnused(): boolean {
    return this.isEmpty && this.#last === 0
  }

  /** Why this member cannot enter, or undefined when they can. */
  refuse(member: Member): Refusal | undefined {
    let people = 0
    for (const other of this.#members.values()) {
      if (other.person === member.person) continue
      people += 1
      if (sameName(other.name, member.name)) {
        return { code: 'name-taken', reason: `Somebody in #${this.name} is called “${other.name}” already.` }
      }
    }
    if (people >= LIMITS.roomMembers) {
      return { code: 'room-full', reason: `#${this.name} is full: a room holds ${LIMITS.roomMembers} people.` }
    }
    return undefined
  }

  enter(key: string, member: Member, now: number): void {
    this.#members.set(key, member)
    this.touchedAt = now
  }

  leave(key: string, now: number): boolean {
    const wasIn = this.#members.delete(key)
    if (wasIn) this.touchedAt = now
    return wasIn
  }

  member(key: string): Member | undefined {
    return this.#members.get(key)
  }

  /** Each person once, in the order in which they came. */
  people(): Person[] {
    const byPerson = new Map<string, Person>()
    for (const { person, name } of this.#members.values()) byPerson.set(person, { person, name })
    return [...byPerson.values()]
  }

  /** The connection keys of one person. */
  connectionsOf(person: string): string[] {
    return [...this.#members].filter(([, member]) => member.person === person).map(([key]) => key)
  }

  /** Appends the message, or gives back the number it got when it was sent the first time. */
  post(author: Member, nonce: string, text: string, now: number): { seq: number; message?: PostedMessage } {
    const receipt = `${author.client} ${nonce}`
    const known = this.#receipts.get(receipt)
    if (known !== undefined) return { seq: known }

    this.#last += 1
    const { person, name, client } = author
    const message: PostedMessage = { seq: this.#last, at: now, person, name, text, client, nonce }
    this.#messages.push(message)
    this.#characters += text.length
    while (this.#messages.length > LIMITS.roomHistory || this.#characters > LIMITS.roomHistoryCharacters) {
      this.#characters -= this.#messages.shift()?.text.length ?? 0
    }
    this.#receipts.set(receipt, message.seq)
    for (const oldest of this.#receipts.keys()) {
      if (this.#receipts.size <= LIMITS.roomReceipts) break
      this.#receipts.delete(oldest)
    }
    this.touchedAt = now
    return { seq: message.seq, message }
  }

  /** What came after `position`, or the recent history when that cannot be continued without a hole. */
  since(position: Position | undefined): Pick<Joined, 'messages' | 'resumed' | 'truncated'> {
    const oldest = this.#messages[0]?.seq ?? this.#last + 1
    const resumed =
      position !== undefined && position.log === this.log && position.seq >= oldest - 1 && position.seq <= this.#last
    const messages = resumed ? this.#messages.filter((message) => message.seq > position.seq) : [...this.#messages]
    return { messages, resumed, truncated: oldest > 1 }
  }

  summary(): RoomSummary {
    return { room: this.name, people: this.people().length, last: this.#last }
  }
}
