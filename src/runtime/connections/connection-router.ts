import type {
  BoundFrame,
  ConnectionDownFrame,
  ConnectionUpFrame,
  ListenFrame,
  LiveFrame,
} from '../../protocol/frames.js'
import type { Incarnation, ProcessRef, WorkerId } from '../../protocol/ids.js'
import type { SendNowOptions } from '../../protocol/transport.js'
import type { Clock } from '../clock.js'
import { DropLog } from '../drop-log.js'
import type { Limits, Timeouts } from '../limits.js'
import type { Logger } from '../logger.js'
import { type Arrival, Arrivals } from './arrivals.js'
import type { Plans } from './balance.js'
import type { ConnectionStats } from './connection-stats.js'
import { DescriptorPause } from './descriptors.js'
import { HandOffs } from './hand-offs.js'
import type { Listener } from './listener.js'
import { Listeners } from './listeners.js'
import { UNAVAILABLE } from './refusals.js'
import type { Connection, Sockets } from './sockets.js'

export interface ConnectionRouterOptions {
  readonly plans: Plans
  readonly sockets: Sockets
  readonly clock: Clock
  readonly random: () => number
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly logger: Logger
  /** Ends a worker that does not take what it is given. */
  readonly fence: (ref: ProcessRef, verdict: string) => void
}

/** `new`: it may have connections later, or never. `open`: it may have them. `leaving`: it may have no more. */
export type Standing = 'new' | 'open' | 'leaving'

interface AttachedWorker {
  readonly ref: ProcessRef
  readonly link: ConnectionLink
  standing: Standing
}

/** What can be sent to a worker. */
export interface ConnectionLink {
  send(frame: ConnectionDownFrame): void
  sendNow(frame: ConnectionDownFrame, options?: SendNowOptions): void
}

/**
 * The primary's side of connections: it owns every listening socket, knows who listens where, and gives workers their
 * connections: by letting them accept for themselves, or by handing each over. It is told by its root who may have any.
 */
export class ConnectionRouter {
  readonly #options: ConnectionRouterOptions
  readonly #workers = new Map<Incarnation, AttachedWorker>()
  readonly #listeners: Listeners
  readonly #arrivals: Arrivals
  readonly #handOffs: HandOffs
  readonly #drops: DropLog
  readonly #pause: DescriptorPause
  #lastId = 0
  #closed = false
  #turnedAway = 0
  #strays = 0
  #exhausted = 0

  constructor(options: ConnectionRouterOptions) {
    this.#options = options
    const { plans, clock, random, limits, timeouts, logger, sockets, fence } = options
    this.#listeners = new Listeners({
      plans,
      sockets,
      clock,
      logger,
      tell: (to, frame) => this.#workers.get(to)?.link.send(frame),
      accepted: (listener, connection) => this.#accepted(listener, connection),
      exhausted: () => this.#pauseAccepting(),
    })
    this.#drops = new DropLog(logger, clock)
    this.#pause = new DescriptorPause(sockets.descriptors, clock, () => {
      for (const listener of this.#listeners) listener.socket.accept(this.#accepts(listener))
    })
    this.#arrivals = new Arrivals({
      clock,
      limits,
      timeouts,
      sockets,
      arrived: (arrival) => this.#arrived(arrival),
      turnAway: (listener, connection, why) => this.#turnAway(listener, connection, why),
    })
    this.#handOffs = new HandOffs({
      clock,
      random,
      limits,
      timeouts,
      drops: this.#drops,
      fence: (ref, verdict) => {
        logger.warn(`worker ${ref.id} ${verdict}: it is killed, and its connections go to others`)
        fence(ref, verdict)
      },
      send: (to, frame, handle) => this.#workers.get(to)?.link.sendNow(frame, { handle }),
      turnAway: ({ listener, connection }, why) => this.#turnAway(listener, connection, why),
    })
  }

  /** A process was started. */
  attach(ref: ProcessRef, link: ConnectionLink): void {
    this.#workers.set(ref.incarnation, { ref, link, standing: 'new' })
  }

  /** What it may have from now on. Of one id, only one process is open: whoever was it before leaves. */
  setStanding(ref: ProcessRef, standing: Standing): void {
    const worker = this.#workers.get(ref.incarnation)
    if (!worker || worker.standing === standing) return
    if (standing === 'open') {
      for (const other of this.#workers.values())
        if (other.ref.id === ref.id && other.standing === 'open') this.setStanding(other.ref, 'leaving')
    }
    worker.standing = standing
    const isOpen = standing === 'open'
    for (const listener of this.#listeners) {
      if (listener.seats.has(ref.incarnation)) this.#seatChanged(listener, ref, isOpen)
      // Whoever has come to serve and does not listen there is not waited for there.
      else if (isOpen) this.#expectNoMore(listener, ref.id)
    }
    if (isOpen) this.#handOffs.opened(ref)
    else this.#handOffs.closed(ref)
  }

  /** It lives no more. Its listeners stay: whoever replaces it listens there again. */
  detach(ref: ProcessRef): void {
    this.#workers.delete(ref.incarnation)
    const left = [...this.#listeners].filter((listener) => listener.seats.delete(ref.incarnation))
    for (const listener of left) {
      this.#seatChanged(listener, ref, false)
      this.#dropIfUnwanted(listener)
    }
    this.#handOffs.gone(ref)
  }

  /** There is no such worker any more, and none is to come: where it alone listened, nobody is waited for. */
  forget(id: WorkerId): void {
    for (const listener of this.#listeners) this.#expectNoMore(listener, id)
  }

  receive(from: Incarnation, frame: ConnectionUpFrame): void {
    switch (frame.kind) {
      case 'listen':
        return this.#listen(from, frame)
      case 'unlisten':
        return this.#unlisten(from, frame.listener)
      case 'taken':
        return this.#handOffs.acknowledged(from, frame.id)
      case 'refused':
        return this.#handOffs.refused(from, frame.id, frame.reason)
      case 'live':
        return this.#live(from, frame)
    }
  }

  /** A handle did not reach that process. Which one shows when it is asked, behind everything that is on its way. */
  handleLost(from: Incarnation): void {
    const bounds = [...this.#listeners].flatMap(({ id, seats, shared }) => {
      const seat = seats.get(from)
      return seat && shared ? [{ ref: seat.query, listener: id }] : []
    })
    const awaited = { kind: 'awaited', ids: this.#handOffs.awaited(from), bounds } as const
    this.#workers.get(from)?.link.sendNow(awaited)
  }

  stats(): ConnectionStats {
    const { timedOut, tooLarge, malformed } = this.#arrivals
    return {
      waiting: this.#handOffs.waiting,
      peeking: this.#arrivals.size,
      offered: this.#handOffs.offered,
      handedOver: this.#handOffs.taken,
      rerouted: this.#handOffs.rerouted,
      lost: this.#handOffs.lost,
      turnedAway: this.#turnedAway,
      timedOut,
      tooLarge,
      malformed,
      strays: this.#strays,
      exhausted: this.#exhausted,
    }
  }

  /** Nothing is accepted any more: the cluster stops. What waits is told so. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#pause.cancel()
    this.#arrivals.end(UNAVAILABLE)
    this.#handOffs.end()
    for (const listener of [...this.#listeners]) this.#drop(listener)
  }

  #listen(from: Incarnation, frame: ListenFrame): void {
    const worker = this.#workers.get(from)
    if (!worker || this.#closed) return
    const answer = (bound: Omit<BoundFrame, 'kind' | 'ref'>, handle?: unknown): void =>
      worker.link.sendNow({ kind: 'bound', ref: frame.ref, ...bound }, { handle })
    const listener = this.#listeners.obtain(from, frame)
    if (typeof listener === 'number') return answer({ errno: listener })
    listener.seats.set(from, { ref: worker.ref, query: frame.ref, live: 0, offered: 0, full: false })
    listener.expected.add(worker.ref.id)
    const { id, socket, data, plan, shared } = listener
    answer(
      {
        listener: id,
        path: shared ? 'shared' : 'hand-off',
        ...(socket.sockname ? { sockname: socket.sockname } : {}),
        data,
        ...(plan.sticky ? { sticky: plan.sticky } : {}),
      },
      shared ? socket.handle : undefined,
    )
    this.#seatChanged(listener, worker.ref, worker.standing === 'open')
  }

  #unlisten(from: Incarnation, id: number): void {
    const listener = this.#listeners.get(id)
    const seat = listener?.seats.get(from)
    if (!listener || !seat) return
    listener.seats.delete(from)
    this.#seatChanged(listener, seat.ref, false)
    this.#handOffs.seatsChanged(listener)
    // A worker that drains closes its servers too, but not because the program wants them closed.
    if (this.#workers.get(from)?.standing === 'leaving') return this.#dropIfUnwanted(listener)
    this.#expectNoMore(listener, seat.ref.id)
  }

  /** That worker will not listen there; one that leaves listens for nobody. */
  #expectNoMore(listener: Listener, id: WorkerId): void {
    const listens = [...listener.seats.values()].some(
      ({ ref }) => ref.id === id && this.#workers.get(ref.incarnation)?.standing !== 'leaving',
    )
    if (!listens && listener.expected.delete(id)) this.#dropIfUnwanted(listener)
  }

  #dropIfUnwanted(listener: Listener): void {
    if (listener.seats.size === 0 && listener.expected.size === 0) this.#drop(listener)
  }

  /** The program listens there no more. */
  #drop(listener: Listener): void {
    this.#listeners.close(listener)
    this.#arrivals.end(UNAVAILABLE, listener)
    this.#handOffs.abandon(listener)
  }

  #seatChanged(listener: Listener, ref: ProcessRef, open: boolean): void {
    const { shared, socket, seats, plan } = listener
    if (shared && open) shared.open(ref.incarnation)
    else shared?.close(ref.incarnation, seats.has(ref.incarnation))
    socket.accept(this.#accepts(listener))
    if (plan.sticky) this.#tellCandidates(listener)
    if (open) this.#handOffs.seatsChanged(listener)
  }

  /** With nobody to accept for itself, the primary does, and keeps what comes until there is somebody. */
  #accepts({ shared }: Listener): boolean {
    return (!shared || shared.size === 0) && !this.#pause.holds
  }

  #tellCandidates(listener: Listener): void {
    const ids = [...listener.seats.values()]
      .filter(({ ref }) => this.#workers.get(ref.incarnation)?.standing === 'open')
      .map(({ ref }) => ref.id)
    for (const incarnation of listener.seats.keys())
      this.#workers.get(incarnation)?.link.send({ kind: 'candidates', listener: listener.id, ids })
  }

  #live(from: Incarnation, frame: LiveFrame): void {
    const listener = this.#listeners.get(frame.listener)
    const seat = listener?.seats.get(from)
    if (!listener || !seat) return
    const wasFull = seat.full
    seat.live = frame.live
    seat.full = frame.room === 'full'
    this.#strays += frame.strays ?? 0
    this.#exhausted += frame.exhausted ?? 0
    listener.shared?.report(from, frame)
    if (wasFull && !seat.full) this.#handOffs.seatsChanged(listener)
  }

  #accepted(listener: Listener, connection: Connection): void {
    if (this.#options.sockets.descriptors.isReserved(connection.fd)) this.#pauseAccepting()
    this.#arrivals.add(listener, connection)
  }

  #arrived(arrival: Arrival): void {
    const { listener, connection, client, head, peer } = arrival
    this.#handOffs.add({
      id: ++this.#lastId,
      listener,
      connection,
      client,
      head,
      peer,
      state: { kind: 'new' },
    })
  }

  #turnAway(listener: Listener, connection: Connection, why: string): void {
    this.#turnedAway++
    if (!this.#closed) this.#drops.add('connection', `a connection to ${listener.name} was turned away: ${why}`)
    if (listener.speaks === 'http') this.#options.sockets.refuse(connection, UNAVAILABLE)
    else connection.close()
  }

  /** What arrives meanwhile waits in the kernel; past the limit the system would close it without a word. */
  #pauseAccepting(): void {
    if (!this.#pause.begin()) return
    this.#exhausted++
    this.#drops.add(
      'descriptors',
      'the primary is running out of file descriptors (`ulimit -n`) and accepts nothing for now',
    )
    for (const { socket } of this.#listeners) socket.accept(false)
  }
}
