import { printable } from '../../protocol/address.js'
import type { Speaks } from '../../protocol/frames.js'
import type { Incarnation, ProcessRef, WorkerId } from '../../protocol/ids.js'
import type { Candidate, Client } from '../placement/policies.js'
import { leastConnections } from '../placement/policies.js'
import type { Plan } from './plan.js'
import type { SharedAccept } from './shared-accept.js'
import type { ListeningSocket } from './sockets.js'

/** One worker at one listener. */
export interface Seat {
  readonly ref: ProcessRef
  /** The number of the `listen` that it came with. */
  readonly query: number
  /** Open on it, as the worker said last, and what it has taken since. */
  live: number
  /** On their way to it. */
  offered: number
  /** It said that it can take no more for now. */
  full: boolean
}

/**
 * A listening socket and who listens on it. The socket is the primary's, and outlives every worker; it is closed when the
 * program itself has closed its server in every worker, or when the cluster ends.
 */
export class Listener {
  readonly id: number
  /** Two servers with the same key share the socket. */
  readonly key: string
  /** As the program asked for it, for messages. */
  readonly name: string
  readonly socket: ListeningSocket
  plan: Plan
  speaks: Speaks
  /** What the first server brought for all of them (TLS ticket keys). */
  data: unknown
  readonly shared: SharedAccept | undefined
  readonly seats = new Map<Incarnation, Seat>()
  /** Workers that listen here, or are to again when they have been replaced. With none of them left the socket is closed. */
  readonly expected = new Set<WorkerId>()
  #last: WorkerId | undefined

  constructor(parts: Pick<Listener, 'id' | 'key' | 'name' | 'plan' | 'speaks' | 'socket' | 'data' | 'shared'>) {
    this.id = parts.id
    this.key = parts.key
    this.name = parts.name
    this.plan = parts.plan
    this.speaks = parts.speaks
    this.socket = parts.socket
    this.data = parts.data
    this.shared = parts.shared
  }

  /** A new version of the program speaks something else here. */
  become(speaks: Speaks, plan: Plan, data: unknown): void {
    this.speaks = speaks
    this.plan = plan
    this.data = data
  }

  /**
   * Who of these gets it, by the plan; `misguided` says why a function's choice could not be followed, when the fewest
   * connections decide instead.
   */
  choose(seats: readonly Seat[], client: Client, random: number, misguided: (why: unknown) => void): Seat | undefined {
    if (seats.length === 0) return undefined
    const candidates: Candidate[] = seats.map(({ ref, live, offered }) => ({ id: ref.id, connections: live + offered }))
    const draw = { client, last: this.#last, random }
    const seatOf = (id: unknown): Seat | undefined => seats.find(({ ref }) => ref.id === id)
    let seat: Seat | undefined
    try {
      const id = this.plan.pick(candidates, draw)
      seat = seatOf(id)
      if (!seat) throw new TypeError(`there is no ready worker ${printable(id)}`)
    } catch (error) {
      misguided(error)
      seat = seatOf(leastConnections(candidates, draw))
    }
    this.#last = seat?.ref.id
    return seat
  }
}
