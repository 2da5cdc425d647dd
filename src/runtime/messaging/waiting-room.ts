import type { WireTarget } from '../../protocol/frames.js'

/**
 * Calls that wait in the primary for a worker that is starting, by the id they asked for, in the order in which they came.
 * Each room holds at most `limit`. Who gave its call up takes it out again; deadlines are the caller's business.
 */
export class WaitingRoom<Call> {
  readonly #rooms = new Map<WireTarget, Set<Call>>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    let size = 0
    for (const room of this.#rooms.values()) size += room.size
    return size
  }

  isFull(name: WireTarget): boolean {
    return (this.#rooms.get(name)?.size ?? 0) >= this.#limit
  }

  /** False when the room is full. */
  enter(name: WireTarget, call: Call): boolean {
    if (this.isFull(name)) return false
    const room = this.#rooms.get(name) ?? new Set()
    this.#rooms.set(name, room.add(call))
    return true
  }

  leave(call: Call): boolean {
    for (const [name, room] of this.#rooms) {
      if (!room.delete(call)) continue
      if (room.size === 0) this.#rooms.delete(name)
      return true
    }
    return false
  }

  /** Everybody in that room, in order, and out of it. */
  empty(name: WireTarget): readonly Call[] {
    const room = this.#rooms.get(name)
    this.#rooms.delete(name)
    return room ? [...room] : []
  }

  names(): readonly WireTarget[] {
    return [...this.#rooms.keys()]
  }
}
