import type { LevelFrame, ListenFrame } from '../../protocol/frames.js'
import type { Incarnation } from '../../protocol/ids.js'
import type { Clock } from '../clock.js'
import type { Logger } from '../logger.js'
import type { Plans } from './balance.js'
import { listenerKey } from './listen-key.js'
import { Listener } from './listener.js'
import { needsHead, type Plan, withoutHead } from './plan.js'
import { SharedAccept } from './shared-accept.js'
import type { Connection, Sockets } from './sockets.js'

export interface ListenersOptions {
  readonly plans: Plans
  readonly sockets: Sockets
  readonly clock: Clock
  readonly logger: Logger
  readonly tell: (to: Incarnation, frame: LevelFrame) => void
  readonly accepted: (listener: Listener, connection: Connection) => void
  /** The system could not accept: no descriptor is left. */
  readonly exhausted: () => void
}

/** The listening sockets of the cluster: one for all who ask for the same, with the plan that its port has. */
export class Listeners {
  readonly #options: ListenersOptions
  readonly #listeners = new Map<number, Listener>()
  #lastId = 0

  constructor(options: ListenersOptions) {
    this.#options = options
  }

  get(id: number): Listener | undefined {
    return this.#listeners.get(id)
  }

  [Symbol.iterator](): IterableIterator<Listener> {
    return this.#listeners.values()
  }

  /** The listener that this request means, made if it is the first; or node's errno. */
  obtain(from: Incarnation, frame: ListenFrame): Listener | number {
    const key = listenerKey(frame)
    const known = [...this].find((listener) => listener.key === key)
    // A second server of one process on the same address: let the system say what it thinks of that.
    if (!known || known.seats.has(from)) return this.#bind(frame, key)
    // The program's newest version is the one that goes on.
    if (known.speaks !== frame.speaks) known.become(frame.speaks, this.#planFor(frame), frame.data)
    return known
  }

  close(listener: Listener): void {
    if (!this.#listeners.delete(listener.id)) return
    listener.shared?.end()
    listener.socket.close()
  }

  #bind(frame: ListenFrame, key: string): Listener | number {
    const { sockets, clock, tell, accepted, exhausted } = this.#options
    const socket = sockets.listen(frame, {
      accepted: (connection) => accepted(listener, connection),
      failed: exhausted,
    })
    if (typeof socket === 'number') return socket
    const plan = this.#planFor(frame)
    const id = ++this.#lastId
    const shared =
      plan.accepts !== 'primary' && socket.pausable
        ? new SharedAccept({ listener: id, levelled: plan.accepts === 'workers evenly', clock, tell })
        : undefined
    const listener: Listener = new Listener({
      id,
      key,
      name: nameOf(frame),
      plan,
      speaks: frame.speaks,
      socket,
      data: frame.data,
      shared,
    })
    this.#listeners.set(id, listener)
    return listener
  }

  #planFor(frame: ListenFrame): Plan {
    const plan = this.#options.plans(nameOf(frame))
    if (!needsHead(plan) || frame.speaks === 'http') return plan
    const speaks = { tls: 'TLS', http2: 'HTTP/2', bytes: 'no HTTP' }[frame.speaks]
    this.#options.logger.warn(
      `${nameOf(frame)} speaks ${speaks}, so that no request can be read there to choose a worker by: 'ip-hash' is used instead`,
    )
    return withoutHead(plan)
  }
}

/** As the program asked for it, and as `balance.ports` names it. */
function nameOf({ address, port, fd }: ListenFrame): string {
  if (port === -1) return String(address)
  return port === undefined || port === null ? `descriptor ${fd}` : String(port)
}
