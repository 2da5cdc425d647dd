/**
 * Where a connection sits: its room, and how far it has read.
 *
 * The one thing it guarantees: what its page gets of a room is complete and in order, each message once. It has two
 * sources for that, the history that the primary answers with and the channel, and either may be ahead of the other.
 */
import type { Answer, Joined, JoinRequest, Person, PostedMessage, Refusal } from './contract.js'
import type { DeliveredMessage, ServerMessage } from './wire.js'

/** A published message, and its public form, written out once for all readers. */
export interface RoomEvent {
  room: string
  log: string
  message: PostedMessage
  frame: string
}

export interface SeatParts {
  /** Asks the primary. */
  join: (request: JoinRequest) => Promise<Answer<Joined>>
  /** Whether this worker's channel events of a room are wanted here. */
  listen: (room: string, wanted: boolean) => void
  send: (message: ServerMessage) => void
  sendFrame: (frame: string) => void
  refuse: (refusal: Refusal) => void
  unavailable: () => void
}

interface Place {
  room: string
  log: string
  you: Person
  /** The newest message that the page has got. */
  delivered: number
  request: JoinRequest
}

export class Seat {
  readonly #parts: SeatParts
  #place: Place | undefined
  /** While the primary is asked about a room: what the channels brought of that room meanwhile, for afterwards. */
  #entering: { room: string; held: (() => void)[] } | undefined
  /** Joins run one after the other, so that the last one decides. */
  #joins: Promise<void> = Promise.resolve()
  #left = false

  constructor(parts: SeatParts) {
    this.#parts = parts
  }

  get room(): string | undefined {
    return this.#place?.room
  }

  get you(): Person | undefined {
    return this.#place?.you
  }

  enter(request: JoinRequest): void {
    this.#ask(request, (joined) => this.#showRoom(joined, request.client))
  }

  leave(): void {
    this.#left = true
    this.#place = undefined
  }

  /** Passes on what is not numbered: who is here, who is typing. */
  tell(room: string, frame: string): void {
    if (this.#entering?.room === room) this.#entering.held.push(() => this.tell(room, frame))
    else if (this.room === room) this.#parts.sendFrame(frame)
  }

  deliver(event: RoomEvent): void {
    if (this.#entering?.room === event.room) {
      this.#entering.held.push(() => this.deliver(event))
      return
    }
    const place = this.#place
    const { message } = event
    if (place?.room !== event.room || place.log !== event.log || message.seq <= place.delivered) return
    // A hole means that the channel dropped something for this worker (its buffer is bounded). The log still has it.
    if (message.seq > place.delivered + 1) return this.#catchUp(place)
    place.delivered = message.seq
    const { client } = place.request
    if (message.client === client)
      this.#parts.send({ type: 'message', room: place.room, ...deliveredTo(client, message) })
    else this.#parts.sendFrame(event.frame)
  }

  #catchUp({ request, log, delivered }: Place): void {
    this.#ask({ ...request, since: { log, seq: delivered } }, (joined) => {
      if (!joined.resumed) return this.#showRoom(joined, request.client)
      for (const message of joined.messages) {
        this.#parts.send({ type: 'message', room: joined.room, ...deliveredTo(request.client, message) })
      }
    })
  }

  #showRoom(joined: Joined, client: string): void {
    const messages = joined.messages.map((message) => deliveredTo(client, message))
    this.#parts.send({ type: 'joined', ...joined, messages })
  }

  #ask(request: JoinRequest, show: (joined: Joined) => void): void {
    this.#joins = this.#joins.then(async () => {
      if (this.#left) return
      const { join, listen, refuse, unavailable } = this.#parts
      const { room } = request
      // Listen first and ask then, so that no message falls between the history and what follows it.
      const entering = { room, held: [] as (() => void)[] }
      this.#entering = entering
      listen(room, true)
      try {
        const answer = await join(request)
        if (this.#left) return
        if (answer.ok) this.#sitDown(answer.value, request, show)
        else refuse(answer.refusal)
      } catch {
        unavailable()
      } finally {
        this.#entering = undefined
        if (this.#place?.room !== room) listen(room, false)
      }
      for (const replay of entering.held) replay()
    })
  }

  #sitDown(joined: Joined, request: JoinRequest, show: (joined: Joined) => void): void {
    const before = this.#place?.room
    const { room, log, you, messages, resumed } = joined
    const delivered = messages.at(-1)?.seq ?? (resumed ? (request.since?.seq ?? 0) : 0)
    this.#place = { room, log, you, delivered, request }
    if (before !== undefined && before !== room) this.#parts.listen(before, false)
    show(joined)
  }
}

/** A message as its reader may see it: whose it is stays secret, except to the author's own page. */
function deliveredTo(client: string, message: PostedMessage): DeliveredMessage {
  const { seq, at, person, name, text, nonce } = message
  return { seq, at, person, name, text, ...(message.client === client && { nonce }) }
}
