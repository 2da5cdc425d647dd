/**
 * The connections of this worker: which of them want to hear about a room, and how an event of a room reaches them.
 *
 * The primary knows who is present in the whole cluster; this knows only the sockets held here.
 */
import type { Connection } from './connection.js'
import type { Person, PostedMessage, RoomSummary } from './contract.js'
import { LIMITS } from './limits.js'
import type { ServerMessage } from './wire.js'

export class Audience {
  /** By connection number, from the upgrade to the close of its socket. */
  readonly #connections = new Map<number, Connection>()
  /** By room. A connection that changes rooms is for a moment in two. */
  readonly #listeners = new Map<string, Set<Connection>>()
  #directory: RoomSummary[] = []

  get isFull(): boolean {
    return this.#connections.size >= LIMITS.connectionsPerWorker
  }

  add(connection: Connection): void {
    this.#connections.set(connection.id, connection)
    connection.send({ type: 'rooms', rooms: this.#directory })
  }

  remove(connection: Connection): void {
    this.#connections.delete(connection.id)
    for (const room of this.#listeners.keys()) this.listen(connection, room, false)
  }

  listen(connection: Connection, room: string, wanted: boolean): void {
    const listeners = this.#listeners.get(room) ?? new Set()
    if (wanted) listeners.add(connection)
    else listeners.delete(connection)
    if (listeners.size > 0) this.#listeners.set(room, listeners)
    else this.#listeners.delete(room)
  }

  deliver({ room, log, message }: { room: string; log: string; message: PostedMessage }): void {
    const listeners = this.#listeners.get(room)
    if (!listeners) return
    const { seq, at, person, name, text } = message
    const frame = JSON.stringify({ type: 'message', room, seq, at, person, name, text } satisfies ServerMessage)
    for (const connection of listeners) connection.seat.deliver({ room, log, message, frame })
  }

  showPeople({ room, people }: { room: string; people: Person[] }): void {
    this.#tell(room, { type: 'people', room, people })
  }

  showTyping({ room, from }: { room: string; from: Person }): void {
    this.#tell(room, { type: 'typing', room, from }, from.person)
  }

  showDirectory(rooms: RoomSummary[]): void {
    this.#directory = rooms
    const frame = JSON.stringify({ type: 'rooms', rooms } satisfies ServerMessage)
    for (const connection of this.#connections.values()) connection.sendFrame(frame)
  }

  /** False when the connection is gone, or somebody else has its number since. */
  showWave(connection: number, to: string, from: Person): boolean {
    const addressee = this.#connections.get(connection)
    if (addressee?.seat.you?.person !== to) return false
    addressee.send({ type: 'wave', from })
    return true
  }

  /** Pings everyone, and cuts who has not answered the last ping. */
  checkHeartbeats(): void {
    for (const connection of this.#connections.values()) connection.checkHeartbeat()
  }

  closeAll(code: number, reason: string): void {
    for (const connection of this.#connections.values()) connection.close(code, reason)
  }

  #tell(room: string, message: ServerMessage, except?: string): void {
    const frame = JSON.stringify(message)
    for (const { seat } of this.#listeners.get(room) ?? []) {
      if (except === undefined || seat.you?.person !== except) seat.tell(room, frame)
    }
  }
}
