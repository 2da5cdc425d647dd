import type { Server as NetServer, Socket } from 'node:net'
import type { ConnectionFrame, LiveFrame, StickySettings } from '../protocol/frames.js'
import type { WorkerId } from '../protocol/ids.js'
import type { Clock } from '../runtime/clock.js'
import { DescriptorPause, type Descriptors } from '../runtime/connections/descriptors.js'
import { type ClientHandle, openConnections, type ServerHandle } from './handles.js'

export interface ServerSeatOptions {
  readonly listener: number
  readonly server: NetServer
  readonly handle: ServerHandle
  /** Does the server accept for itself? Else its connections are handed to it. */
  readonly accepts: boolean
  readonly sticky: StickySettings | undefined
  readonly clock: Clock
  readonly descriptors: Descriptors
  /** To whoever runs the program. */
  readonly warn: (message: string) => void
  readonly report: (frame: LiveFrame) => void
}

/** Changes that nobody waits for are told to the primary at most this often, ms. */
const REPORT_INTERVAL = 20

/** Connections that end sooner, ms, make room at the pace at which they come: see `nextLevel`. */
const BRIEF = 100

/** What node makes of `maxConnections = 0`: from 21 on it lets nobody in. */
const ZERO_IS_NO_LIMIT = Number.parseInt(process.versions.node, 10) < 21

/**
 * The seat of one server of this worker at a listener of the primary: accepts while it has fewer connections than it was told, tells
 * the primary how many it has, and takes what is handed to it.
 */
export class ServerSeat {
  readonly server: NetServer
  readonly listener: number
  readonly sticky: StickySettings | undefined
  /** Among whom a sticky policy chooses now. */
  candidates: readonly WorkerId[] = []
  readonly #options: ServerSeatOptions
  /** Accept below that many; null for always. Where it accepts for itself, 0 until the primary lets this worker serve. */
  #level: number | null
  #accepting = true
  readonly #pause: DescriptorPause
  #reported: Pick<LiveFrame, 'live' | 'room'> & { brief: number } = { live: 0, room: 'open', brief: 0 }
  /** The last level of which the primary was told that it is reached. */
  #reachedLevel: number | null = null
  #reportDue = false
  /** Acknowledged and not given to the server yet. */
  #promised = 0
  /** Accepted since the last interval ended, and in intervals before it that are less than `BRIEF` old. */
  #accepted = 0
  #acceptedLately: readonly { readonly at: number; readonly count: number }[] = []
  /** Open when the last interval ended. */
  #liveBefore = 0
  /** Connections that were brief, of those that ended in the last interval. */
  #briefLately = 0
  /** Requests that belong to another worker, since the last report. */
  #strays = 0
  /** The primary has counted connections since the last report that may have closed again. */
  #taken = false
  /** Pauses for want of descriptors, since the last report. */
  #pauses = 0
  #closed = false

  constructor(options: ServerSeatOptions) {
    this.#options = options
    this.server = options.server
    this.listener = options.listener
    this.sticky = options.sticky
    this.#level = options.accepts ? 0 : null
    this.#pause = new DescriptorPause(options.descriptors, options.clock, () => this.changed())
  }

  /** The server listens on the handle now: from here on we decide when it accepts. */
  listening(): void {
    const { handle, accepts } = this.#options
    const { onconnection } = handle
    if (!accepts || !onconnection) return
    const seat = this
    handle.onconnection = function (error, client) {
      if (client) seat.#watchDescriptor(client)
      const before = openConnections(seat.server)
      onconnection.call(this, error, client)
      // It may have been dropped.
      if (openConnections(seat.server) > before) seat.#accepted++
      seat.changed()
    }
    // A handle that has never been started cannot be stopped.
    handle.readStart?.()
    this.#accept(false)
  }

  closed(): void {
    this.#closed = true
  }

  setLevel(level: number | null, ask: boolean): void {
    this.#level = level
    this.#adjust()
    if (ask) this.#report()
  }

  /** A connection came, or has closed. */
  changed(): void {
    const room = this.#adjust()
    if (this.#level === null && room === 'open' && room === this.#reported.room && this.#options.accepts) return
    if (this.#isNews(room)) this.#report()
    else this.#reportLater()
  }

  /** A request came here that belongs to another worker. */
  strayed(): void {
    this.#strays++
    this.#reportLater()
  }

  /** It can take no connection that is handed to it. */
  get isFull(): boolean {
    return this.#room() === 'full'
  }

  /** The primary was told that it is full, and is to hear when that has changed. */
  refused(): void {
    this.#reported = { ...this.#reported, room: 'full' }
    this.#reportLater()
  }

  /** One will be taken as soon as its acknowledgement is written. */
  promise(): void {
    this.#promised++
  }

  /** The promise could not be told. */
  takeBack(): void {
    this.#promised--
  }

  /** Gives the server a connection that was promised to the primary, as if it had accepted it itself. */
  take(client: ClientHandle, { head, peer }: ConnectionFrame): void {
    const { handle, server } = this.#options
    this.#promised--
    if (peer) {
      client.getpeername = (out) => {
        Object.assign(out, peer)
        return 0
      }
    }
    this.#taken = true
    this.#watchDescriptor(client)
    const restore = (socket: Socket): void => void socket.unshift(Buffer.from(head ?? '', 'base64'))
    // What was read already comes first, before any listener of the server sees the connection.
    if (head !== undefined) server.prependOnceListener('connection', restore)
    handle.onconnection?.call(handle, 0, client)
    server.off('connection', restore)
    this.changed()
  }

  /** No descriptor was left for a connection that was handed over. */
  exhausted(): void {
    if (!this.#pause.begin()) return
    this.#pauses++
    this.#options.warn('running out of file descriptors (`ulimit -n`): no connection is accepted for now')
    this.#adjust()
    this.#report()
  }

  /** Whoever has reached its level waits for a higher one: that is told at once, and once for each level. */
  #isNews(room: LiveFrame['room']): boolean {
    if (room === 'level') return this.#reachedLevel !== this.#level
    return room === 'full' && this.#reported.room !== 'full'
  }

  #watchDescriptor({ fd }: ClientHandle): void {
    if (fd !== undefined && this.#options.descriptors.isReserved(fd)) this.exhausted()
  }

  #room(): LiveFrame['room'] {
    const { server } = this.#options
    const live = openConnections(server) + this.#promised
    // Node would accept and drop what is over `maxConnections`; left alone, another worker has it.
    const { maxConnections, dropMaxConnection } = server as NetServer & { dropMaxConnection?: boolean }
    const isLimited = maxConnections != null && !(maxConnections === 0 && ZERO_IS_NO_LIMIT)
    if (this.#pause.holds || (isLimited && live >= maxConnections && !dropMaxConnection)) return 'full'
    return this.#level !== null && live >= this.#level ? 'level' : 'open'
  }

  #adjust(): LiveFrame['room'] {
    const room = this.#room()
    this.#accept(room === 'open')
    return room
  }

  #accept(on: boolean): void {
    const { handle, accepts } = this.#options
    if (!accepts || this.#closed || on === this.#accepting) return
    this.#accepting = on
    if (on) handle.readStart?.()
    else handle.readStop?.()
  }

  #reportLater(): void {
    if (this.#reportDue) return
    this.#reportDue = true
    this.#options.clock.after(
      REPORT_INTERVAL,
      () => {
        this.#reportDue = false
        this.#briefLately = this.#countBrief()
        const room = this.#adjust()
        const { live, room: told, brief } = this.#reported
        const isOther = live !== openConnections(this.server) || room !== told || brief !== this.#briefLately
        if (this.#taken || this.#strays > 0 || this.#pauses > 0 || isOther) this.#report()
        // What makes room again need not be the end of a connection: the program may allow more.
        else if (room === 'full') this.#reportLater()
      },
      { idle: true },
    )
  }

  /**
   * How many of those that ended in this interval were brief. No connection is timed, which each would pay for: those that end
   * are taken for the newest ones, so that it is no more than have come lately.
   */
  #countBrief(): number {
    const live = openConnections(this.server)
    const ended = Math.max(0, this.#liveBefore + this.#accepted - live)
    const now = this.#options.clock.now()
    const lately = this.#acceptedLately.filter(({ at }) => now - at < BRIEF)
    if (this.#accepted > 0) lately.push({ at: now, count: this.#accepted })
    this.#acceptedLately = lately
    this.#accepted = 0
    this.#liveBefore = live
    if (!this.#options.accepts || this.#level === null) return 0
    return Math.min(
      ended,
      lately.reduce((sum, { count }) => sum + count, 0),
    )
  }

  #report(): void {
    if (this.#closed || this.#level === 0) return
    const { listener, report } = this.#options
    const strays = this.#strays
    this.#strays = 0
    this.#reported = { live: openConnections(this.server), room: this.#room(), brief: this.#briefLately }
    if (this.#reported.room === 'level') this.#reachedLevel = this.#level
    this.#taken = false
    const exhausted = this.#pauses
    this.#pauses = 0
    const { live, room, brief } = this.#reported
    report({
      kind: 'live',
      listener,
      live,
      room,
      ...(brief > 0 && { brief }),
      ...(strays > 0 && { strays }),
      ...(exhausted > 0 && { exhausted }),
    })
    // The next one tells when the brief ones have become fewer.
    if (room === 'full' || brief > 0) this.#reportLater()
  }
}
