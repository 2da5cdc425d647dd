/**
 * All rooms, and where each connection is: the whole state of the chat, kept by the primary.
 *
 * Pure: the clock, the ids and the hash are handed in, and what has to be told to others is returned, not sent.
 * A connection is known by a key that contains its worker's incarnation, so that a dead worker's people are found.
 */
import type {
  Answer,
  ConnectionAddress,
  Joined,
  JoinRequest,
  Person,
  PostedMessage,
  Refusal,
  RoomSummary,
} from './contract.js'
import { LIMITS } from './limits.js'
import { Room } from './room.js'

/** The process that holds a connection, as `currentCall().caller` names it. */
export interface Holder {
  id: number
  incarnation: number
}

export interface RoomsOptions {
  /** Milliseconds since 1970. */
  now: () => number
  /** A fresh random id, for a room's log. */
  createId: () => string
  /** One way: the public id of the person behind a secret client id. */
  personOf: (client: string) => string
  /** Rooms that are always there. */
  permanent?: readonly string[]
}

/** Where one connection is; gone when it leaves or its worker dies. */
interface Place extends ConnectionAddress {
  incarnation: number
  room: Room
}

export class Rooms {
  readonly #options: RoomsOptions
  readonly #rooms = new Map<string, Room>()
  readonly #permanent: ReadonlySet<string>
  readonly #places = new Map<string, Place>()

  constructor(options: RoomsOptions) {
    this.#options = options
    this.#permanent = new Set(options.permanent ?? [])
    for (const name of this.#permanent) this.#open(name)
  }

  /** Enters `request.room`. `changed` lists the rooms whose people are no longer the same. */
  join(holder: Holder, request: JoinRequest): { answer: Answer<Joined>; changed: string[] } {
    const { connection, client, name, since } = request
    const now = this.#options.now()
    const key = keyOf(holder, connection)
    const member = { person: this.#options.personOf(client), name, client }

    const known = this.#rooms.get(request.room)
    const refusal = known ? known.refuse(member) : this.#makeSpace()
    if (refusal) return { answer: { ok: false, refusal }, changed: [] }
    const room = known ?? this.#open(request.room)

    const before = this.#places.get(key)?.room
    const changed = before && before !== room ? this.#leave(key) : []
    if (room.member(key)?.name !== name) changed.push(room.name)
    room.enter(key, member, now)
    this.#places.set(key, { worker: holder.id, incarnation: holder.incarnation, connection, room })

    const you: Person = { person: member.person, name }
    const joined: Joined = { room: room.name, log: room.log, you, people: room.people(), ...room.since(since) }
    return { answer: { ok: true, value: joined }, changed }
  }

  leave(holder: Holder, connection: number): string[] {
    return this.#leave(keyOf(holder, connection))
  }

  /** A worker's process has ended: everyone who was connected to it is gone until they come back elsewhere. */
  leaveAll(incarnation: number): string[] {
    const keys = [...this.#places].filter(([, place]) => place.incarnation === incarnation).map(([key]) => key)
    return [...new Set(keys.flatMap((key) => this.#leave(key)))]
  }

  post(holder: Holder, connection: number, roomName: string, nonce: string, text: string): Answer<PostResult> {
    const key = keyOf(holder, connection)
    const room = this.#places.get(key)?.room
    const author = room?.member(key)
    if (!room || !author || room.name !== roomName) {
      return { ok: false, refusal: { code: 'not-in-room', reason: 'Enter the room before you speak in it.' } }
    }
    const { seq, message } = room.post(author, nonce, text, this.#options.now())
    return { ok: true, value: { log: room.log, seq, ...(message && { message }) } }
  }

  /** Where `person` is reached, as seen by somebody in the same room. */
  locate(holder: Holder, connection: number, person: string): ConnectionAddress[] {
    const room = this.#places.get(keyOf(holder, connection))?.room
    const places = room?.connectionsOf(person).map((key) => this.#places.get(key)) ?? []
    return places.flatMap((place) => (place ? [{ worker: place.worker, connection: place.connection }] : []))
  }

  people(room: string): Person[] {
    return this.#rooms.get(room)?.people() ?? []
  }

  /** Permanent rooms first, then the others by name. */
  directory(): RoomSummary[] {
    const all = [...this.#rooms.values()]
    const permanent = all.filter((room) => this.#permanent.has(room.name))
    const others = all.filter((room) => !this.#permanent.has(room.name)).sort((a, b) => (a.name < b.name ? -1 : 1))
    return [...permanent, ...others].map((room) => room.summary())
  }

  #open(name: string): Room {
    const room = new Room(name, this.#options.createId(), this.#options.now())
    this.#rooms.set(name, room)
    return room
  }

  #leave(key: string): string[] {
    const room = this.#places.get(key)?.room
    this.#places.delete(key)
    if (!room?.leave(key, this.#options.now())) return []
    if (room.isUnused && !this.#permanent.has(room.name)) this.#rooms.delete(room.name)
    return [room.name]
  }

  /** Gives up the empty room that has been silent longest, when one more would be too many. */
  #makeSpace(): Refusal | undefined {
    if (this.#rooms.size < LIMITS.rooms) return undefined
    const idle = [...this.#rooms.values()].filter((room) => room.isEmpty && !this.#permanent.has(room.name))
    idle.sort((a, b) => a.touchedAt - b.touchedAt)
    const oldest = idle[0]
    if (!oldest) {
      return {
        code: 'too-many-rooms',
        reason: `All ${LIMITS.rooms} rooms are in use. Join one of them, or try again later.`,
      }
    }
    this.#rooms.delete(oldest.name)
    return undefined
  }
}

/** `message` is there when it is new, and has to be published. */
export interface PostResult {
  log: string
  seq: number
  message?: PostedMessage
}

function keyOf(holder: Holder, connection: number): string {
  return `${holder.incarnation}/${connection}`
}
