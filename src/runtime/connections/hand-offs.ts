import { printable } from '../../protocol/address.js'
import type { RefusedFrame } from '../../protocol/frames.js'
import type { Incarnation, ProcessRef } from '../../protocol/ids.js'
import type { DropLog } from '../drop-log.js'
import type { Limits, Timeouts } from '../limits.js'
import type { HandOff } from './hand-off.js'
import { tellStep } from './hand-off-steps.js'
import type { Listener, Seat } from './listener.js'
import { Offers, type OffersOptions } from './offers.js'
import { Sweep } from './sweep.js'

export interface HandOffsOptions extends OffersOptions {
  readonly random: () => number
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly drops: DropLog
  /** A worker has not taken a connection for too long: end it, so that its connections can go to others. */
  readonly fence: (ref: ProcessRef, verdict: string) => void
  /** No worker gets it: tell the client, and close. */
  readonly turnAway: (handOff: HandOff, why: string) => void
}

/** One worker, as far as connections are handed to it. */
interface Post {
  readonly ref: ProcessRef
  /** Ready and current: may be given connections. */
  open: boolean
  /** For it and nobody else, until it has room. */
  queue: HandOff[]
  fenced: boolean
}

/** A policy function may have thrown anything. */
const reasonOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : printable(thrown))

const CLOSED = 'nobody listens there any more'

/**
 * Where the connections go that the primary holds. Each is held until a worker has acknowledged it: the death of a
 * worker, a refusal or a channel that breaks sends it to another. Those that nobody may have wait here, so many and so long.
 */
export class HandOffs {
  readonly #options: HandOffsOptions
  readonly #posts = new Map<Incarnation, Post>()
  readonly #offers: Offers
  /** What waits for any worker of a listener, oldest first. */
  readonly #rooms = new Map<Listener, HandOff[]>()
  readonly #abandoned = new WeakSet<Listener>()
  #ended = false
  readonly #sweep: Sweep
  rerouted = 0
  taken = 0
  lost = 0

  constructor(options: HandOffsOptions) {
    this.#options = options
    this.#offers = new Offers(options)
    this.#sweep = new Sweep(options.clock, (now) => this.#expireAll(now))
  }

  get waiting(): number {
    let count = 0
    for (const room of this.#rooms.values()) count += room.length
    for (const { queue } of this.#posts.values()) count += queue.length
    return count
  }

  get offered(): number {
    return this.#offers.count
  }

  add(handOff: HandOff): void {
    tellStep('accepted', handOff.id)
    this.#place(handOff)
  }

  /** A worker may have connections from now on. */
  opened(ref: ProcessRef): void {
    const post = this.#postOf(ref)
    post.open = true
    this.#serve(post)
  }

  /** It may have no more; what is on its way to it, it takes or refuses. */
  closed(ref: ProcessRef): void {
    const post = this.#posts.get(ref.incarnation)
    if (!post) return
    post.open = false
    this.#replace(post.queue.splice(0))
  }

  /** It lives no more: all that it had not acknowledged goes to others. */
  gone(ref: ProcessRef): void {
    const post = this.#posts.get(ref.incarnation)
    if (!post) return
    this.#posts.delete(ref.incarnation)
    for (const handOff of this.#offers.closeAll(ref.incarnation)) this.#reroute(handOff, ref.incarnation)
    for (const handOff of post.queue) this.#place(handOff)
  }

  /** A seat at this listener is free or has gone: who waits for it may go on. */
  seatsChanged(listener: Listener): void {
    for (const post of this.#posts.values()) {
      if (listener.seats.has(post.ref.incarnation)) {
        this.#serveQueue(post)
        continue
      }
      const orphans = post.queue.filter((handOff) => handOff.listener === listener)
      post.queue = post.queue.filter((handOff) => handOff.listener !== listener)
      this.#replace(orphans)
    }
    this.#serveListener(listener)
  }

  acknowledged(from: Incarnation, offer: number): void {
    const closed = this.#offers.close(from, offer)
    if (!closed) return
    const { handOff, seat } = closed
    seat.live++
    handOff.state = { kind: 'done' }
    handOff.connection.close()
    this.taken++
    tellStep('taken', handOff.id, from)
    const post = this.#posts.get(from)
    if (post) this.#serve(post)
  }

  refused(from: Incarnation, offer: number, reason: RefusedFrame['reason']): void {
    const closed = this.#offers.close(from, offer)
    if (!closed) return
    const { handOff, seat } = closed
    // Until it says otherwise; a seat whose server is closed is on its way out.
    seat.full = true
    if (reason === 'lost') this.lost++
    this.#reroute(handOff, from)
    const post = this.#posts.get(from)
    if (post) this.#serve(post)
  }

  /** Sent to that worker and not acknowledged. */
  awaited(from: Incarnation): number[] {
    return this.#offers.numbersTo(from)
  }

  /** Nobody listens there any more, nor will. What is on its way is taken, or refused and then turned away. */
  abandon(listener: Listener): void {
    this.#abandoned.add(listener)
    const waiting = this.#rooms.get(listener)?.splice(0) ?? []
    for (const post of this.#posts.values()) {
      waiting.push(...post.queue.filter((handOff) => handOff.listener === listener))
      post.queue = post.queue.filter((handOff) => handOff.listener !== listener)
    }
    this.#rooms.delete(listener)
    for (const handOff of waiting) this.#turnAway(handOff, CLOSED)
  }

  /** Nobody gets a connection any more. Those on their way are taken, or refused and then turned away. */
  end(): void {
    this.#ended = true
    for (const listener of [...this.#rooms.keys()]) this.abandon(listener)
    for (const post of this.#posts.values()) for (const handOff of post.queue.splice(0)) this.#turnAway(handOff, CLOSED)
  }

  #postOf(ref: ProcessRef): Post {
    const known = this.#posts.get(ref.incarnation)
    if (known) return known
    const post: Post = { ref, open: false, queue: [], fenced: false }
    this.#posts.set(ref.incarnation, post)
    return post
  }

  #roomOf(listener: Listener): HandOff[] {
    const room = this.#rooms.get(listener) ?? []
    this.#rooms.set(listener, room)
    return room
  }

  /** To a worker, into its queue, or into the waiting room: the one place where that is decided. */
  #place(handOff: HandOff): void {
    const { listener, client } = handOff
    if (this.#ended || this.#abandoned.has(listener)) return this.#turnAway(handOff, CLOSED)
    const eligible = this.#eligible(listener)
    const { drops, random } = this.#options
    const seat = listener.choose(eligible, client, random(), (why) =>
      drops.add(
        'balance',
        `the balance function of ${listener.name} gave no worker, so the least busy one was taken: ${reasonOf(why)}`,
      ),
    )
    if (!seat) return this.#wait(handOff, this.#roomOf(listener))
    if (this.#hasRoom(seat)) return this.#offer(handOff, seat)
    this.#wait(handOff, this.#postOf(seat.ref).queue)
  }

  /** Whoever belongs to one worker waits for it, and is not sent elsewhere because it is full for a moment. */
  #eligible({ seats, plan }: Listener): Seat[] {
    const eligible: Seat[] = []
    for (const seat of seats.values())
      if (this.#isOpen(seat) && (!plan.flexible || this.#hasRoom(seat))) eligible.push(seat)
    return eligible
  }

  #hasRoomAnywhere({ seats }: Listener): boolean {
    for (const seat of seats.values()) if (this.#isOpen(seat) && this.#hasRoom(seat)) return true
    return false
  }

  #isOpen({ ref }: Seat): boolean {
    return this.#posts.get(ref.incarnation)?.open ?? false
  }

  #hasRoom({ ref, full }: Seat): boolean {
    return !full && !this.#isAtLimit(ref.incarnation)
  }

  /** At most `limits.handoffs` are on their way to each. */
  #isAtLimit(worker: Incarnation): boolean {
    return this.#offers.countTo(worker) >= this.#options.limits.handoffs
  }

  #wait(handOff: HandOff, room: HandOff[]): void {
    const { limits, clock } = this.#options
    // One that was on its way already is not sent off because others wait.
    if (handOff.state.kind === 'new' && this.waiting >= limits.connections)
      return this.#turnAway(handOff, `${limits.connections} wait already (\`limits.connections\`)`)
    handOff.state = { kind: 'waiting', since: handOff.state.kind === 'waiting' ? handOff.state.since : clock.now() }
    room.push(handOff)
    this.#sweep.start()
  }

  #offer(handOff: HandOff, seat: Seat): void {
    this.#offers.make(handOff, seat)
    this.#sweep.start()
  }

  #reroute(handOff: HandOff, from: Incarnation): void {
    this.rerouted++
    tellStep('rerouted', handOff.id, from)
    this.#place(handOff)
  }

  #replace(handOffs: readonly HandOff[]): void {
    for (const handOff of handOffs) this.#place(handOff)
  }

  /** That worker has room: its own queue first, then whoever waits for anybody. */
  #serve(post: Post): void {
    this.#serveQueue(post)
    for (const listener of this.#rooms.keys())
      if (listener.seats.has(post.ref.incarnation)) this.#serveListener(listener)
  }

  /** In order, but for those whose server there is full. */
  #serveQueue(post: Post): void {
    if (!post.open || post.queue.length === 0) return
    const { incarnation } = post.ref
    const served = new Set<HandOff>()
    for (const handOff of post.queue) {
      if (this.#isAtLimit(incarnation)) break
      const seat = handOff.listener.seats.get(incarnation)
      if (!seat || seat.full) continue
      served.add(handOff)
      this.#offer(handOff, seat)
    }
    if (served.size > 0) post.queue = post.queue.filter((handOff) => !served.has(handOff))
  }

  #serveListener(listener: Listener): void {
    const room = this.#rooms.get(listener)
    if (!room) return
    for (let left = room.length; left > 0 && this.#hasRoomAnywhere(listener); left--)
      this.#place(room.shift() as HandOff)
  }

  #turnAway(handOff: HandOff, why: string): void {
    handOff.state = { kind: 'done' }
    this.#options.turnAway(handOff, why)
  }

  /** True while there is something with a deadline. */
  #expireAll(now: number): boolean {
    const { waiting, handoff } = this.#options.timeouts
    for (const [listener, room] of this.#rooms) this.#rooms.set(listener, this.#expire(room, now - waiting))
    for (const post of this.#posts.values()) post.queue = this.#expire(post.queue, now - waiting)
    const frozen = [...this.#posts.values()].find(
      ({ ref, fenced }) => !fenced && (this.#offers.oldestSince(ref.incarnation) ?? now) < now - handoff,
    )
    // Never two at once.
    if (frozen) this.#fence(frozen)
    return this.waiting > 0 || this.offered > 0
  }

  #expire(room: HandOff[], before: number): HandOff[] {
    const expired = room.filter(({ state }) => state.kind === 'waiting' && state.since < before)
    if (expired.length === 0) return room
    const why = `no worker took it for ${this.#options.timeouts.waiting} ms (\`timeouts.waiting\`)`
    for (const handOff of expired) this.#turnAway(handOff, why)
    return room.filter(({ state }) => state.kind === 'waiting')
  }

  /** Before its connections move it must be dead: a worker that only slept would go on with them. */
  #fence(post: Post): void {
    post.fenced = true
    this.closed(post.ref)
    const { fence, timeouts } = this.#options
    fence(post.ref, `has not taken a connection for ${timeouts.handoff} ms (\`timeouts.handoff\`)`)
  }
}
