import type { Server as HttpServer, IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Clock, Timer } from '../runtime/clock.js'
import { nextStep } from './spread.js'

/** A close frame from a server, which does not mask, with status 1001: "going away" (RFC 6455 5.5.1, 7.4.1). */
const GOING_AWAY = Buffer.from([0x88, 0x02, 0x03, 0xe9])

/** How long a client may take to answer the close frame, ms. Then the connection is ended without. */
export const CLOSE_GRACE = 2_000

/** How soon those are looked at again that the program has not answered yet, ms. */
const UNDECIDED = 50

/**
 * The WebSockets of this process, whatever library serves them, so that a drain can close them with 1001, which tells a
 * client to come back. The library sees a client that answers a close as if the client had begun it, and ends the connection.
 *
 * A close frame may stand between any two frames, and libraries write whole frames in one turn (`ws` also when it
 * compresses, or its client reads slowly). Not so a proxy, which passes on pieces: its connections are left alone.
 */
export class WebSockets {
  readonly #clock: Clock
  /** Not closed by us yet. The number is what had been written before the answer to the upgrade. */
  readonly #open = new Map<Socket, number>()
  /** Told, and not ended yet. */
  readonly #closing = new Set<Socket>()
  #closedBy: number | undefined
  #next: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * `detached` is told of every connection that speaks HTTP no more. A listener for `upgrade` would tell node, and the program,
   * that somebody serves upgrades: hence `emit`.
   */
  watch(server: HttpServer, detached: (socket: Socket) => void): void {
    const { emit } = server
    const upgraded = (request: IncomingMessage, socket: unknown): void => {
      if (socket instanceof Socket) detached(socket)
      this.#upgraded(request, socket)
    }
    // Every request comes along here. What is passed on as it came costs next to nothing.
    server.emit = function watchedEmit(this: HttpServer, ...args: unknown[]): boolean {
      if (args[0] === 'upgrade' || args[0] === 'connect') upgraded(args[1] as IncomingMessage, args[2])
      return Reflect.apply(emit, this, args) as boolean
    } as typeof emit
  }

  /** Whether `close` closes it, or has begun to. */
  has(socket: Socket): boolean {
    return this.#closing.has(socket) || (this.#open.has(socket) && !isPipe(socket))
  }

  /** Closes all of them, evenly until that time, also those that are only now being upgraded. May be called again. */
  close(until: number): void {
    this.#closedBy = until
    this.#step()
  }

  #upgraded({ headers }: IncomingMessage, socket: unknown): void {
    if (!(socket instanceof Socket) || headers.upgrade?.toLowerCase() !== 'websocket') return
    this.#open.set(socket, socket.bytesWritten)
    socket.on('close', () => this.#open.delete(socket))
    if (this.#closedBy !== undefined && !this.#next) this.#plan(UNDECIDED)
  }

  #plan(wait: number): void {
    this.#next = this.#clock.after(wait, () => this.#step(), { idle: true })
  }

  #step(): void {
    this.#next?.cancel()
    this.#next = undefined
    const { now, wait } = nextStep(this.#open.size, (this.#closedBy ?? 0) - this.#clock.now())
    let due = now
    for (const [socket, before] of this.#open) {
      if (due === 0) break
      // The program has yet to say whether it takes the upgrade.
      if (socket.bytesWritten === before) continue
      this.#open.delete(socket)
      due -= 1
      if (!isPipe(socket)) this.#sayGoingAway(socket)
    }
    if (this.#open.size > 0) this.#plan(due > 0 ? UNDECIDED : wait)
  }

  #sayGoingAway(socket: Socket): void {
    // The program refused the upgrade, or is closing already.
    if (!socket.writable) return
    this.#closing.add(socket)
    socket.write(GOING_AWAY)
    socket.once('end', () => socket.end())
    const grace = this.#clock.after(CLOSE_GRACE, () => socket.destroySoon(), { idle: true })
    socket.once('close', () => {
      this.#closing.delete(socket)
      grace.cancel()
    })
  }
}

/** Something is piped into it: a proxy, whose pieces are no whole frames. */
function isPipe(socket: Socket): boolean {
  return socket.listenerCount('unpipe') > 0
}
