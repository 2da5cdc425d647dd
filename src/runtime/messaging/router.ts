import { toRecord } from '../../protocol/error-record.js'
import {
  ClusterClosedError,
  type TroupeError,
  type WorkerGoneDetails,
  WorkerGoneError,
  WorkerUnavailableError,
} from '../../protocol/errors.js'
import type { CallFrame, FailureFrame, MessagingUpFrame, ResultFrame, WireTarget } from '../../protocol/frames.js'
import type { Incarnation, ProcessRef } from '../../protocol/ids.js'
import type { Clock } from '../clock.js'
import { DropLog } from '../drop-log.js'
import type { Limits, Timeouts } from '../limits.js'
import type { Logger } from '../logger.js'
import { within } from '../within.js'
import { acknowledgementOf, Broadcast } from './broadcast.js'
import { Casts, type HeldCast } from './casts.js'
import { Directory, nameOf, type Refusal } from './directory.js'
import { type DownLink, Endpoint, type Route } from './endpoint.js'
import type { Members } from './members.js'
import type { Resolution } from './resolve.js'
import { mayTryAnother } from './retry-policy.js'
import { WaitingRoom } from './waiting-room.js'

export interface RouterOptions {
  readonly members: Members
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly clock: Clock
  readonly logger: Logger
}

/** What waits for a worker that is starting: a call, or a cast, which has no route. */
type Held = Route | HeldCast

/** A publish waits for its subscribers' links, but no longer than this for one that does not read, ms. */
const SLOW_SUBSCRIBER = 100

export interface RouterStats {
  /** Calls and casts that wait for a worker that is starting. */
  readonly waiting: number
  /** Publishes with `ack` whose receipt is not complete. */
  readonly receipts: number
  /** Answers, cancels and acknowledgements that fitted nothing: late, doubled, or from another process than the one asked. */
  readonly unexpected: number
  /** Casts and channel messages that could not be delivered. */
  readonly dropped: number
}

/** How a process ended, as the supervisor knows it. */
export type Ending = Pick<WorkerGoneDetails, 'pid' | 'exitCode' | 'signal'>

/**
 * The primary's switch. Every call of every process passes here, payload unread: it is resolved to an incarnation, sent
 * under a number of the router's own, and its answer is believed only from the process that it was sent to. So the router
 * knows at any time who waits for whom, and when a process dies it can tell everyone concerned.
 */
export class Router {
  readonly #options: RouterOptions
  readonly #directory: Directory
  /** By incarnation, the primary's own as 0. */
  readonly #endpoints: Map<Incarnation, Endpoint>
  readonly #room: WaitingRoom<Held>
  readonly #broadcast: Broadcast
  readonly #drops: DropLog
  readonly #casts: Casts
  #lastRoute = 0
  #closed = false
  #onIdle: (() => void)[] = []
  /** Answers and cancels that fitted no call: late, doubled, or from another process than the one asked. */
  dropped = 0

  constructor(options: RouterOptions) {
    this.#options = options
    this.#directory = new Directory(options.members, options.limits)
    this.#endpoints = this.#directory.endpoints
    this.#room = new WaitingRoom(options.limits.waiting)
    this.#drops = new DropLog(options.logger, options.clock)
    this.#casts = new Casts({ directory: this.#directory, room: this.#room, drops: this.#drops })
    this.#broadcast = new Broadcast(options.clock, options.timeouts.ack, this.#drops)
  }

  // ------------------------------------------------------------------------------ processes come and go

  /** A process can send from now on; it is sent calls only once the members say that it is ready. */
  attach(ref: ProcessRef, link: DownLink): void {
    this.#endpoints.set(ref.incarnation, new Endpoint(ref, link, this.#options.limits.link))
  }

  /** A process is gone: its callers learn how it ended, those whom it had called may stop. */
  detach(incarnation: Incarnation, ending: Ending): void {
    const endpoint = this.#endpoints.get(incarnation)
    if (!endpoint) return
    this.#endpoints.delete(incarnation)
    for (const route of [...endpoint.serving.values()]) {
      this.#fail(route, new WorkerGoneError({ ...nameOf(route.frame), ...endpoint.ref, ...ending, sent: 'maybe' }))
    }
    for (const route of [...endpoint.waiting.values()]) this.#abandon(route)
    this.#broadcast.gone(
      endpoint,
      (channel) =>
        new WorkerGoneError({
          target: endpoint.ref.id,
          method: acknowledgementOf(channel),
          ...endpoint.ref,
          ...ending,
          sent: 'maybe',
        }),
    )
    this.#checkIdle()
  }

  /** The members have changed: calls that waited for a worker may now go there, or have nobody to wait for. */
  membersChanged(): void {
    for (const name of this.#room.names()) {
      if (this.#directory.resolve(name).kind === 'wait') continue
      for (const held of this.#room.empty(name)) {
        if (held.id === undefined) this.#casts.route(held.caller, held.frame)
        else {
          held.caller.send({ kind: 'held', id: held.frame.id, held: false })
          this.#route(held)
        }
      }
    }
  }

  /** Calls that a process has been sent and has not answered. */
  calls(incarnation: Incarnation): number {
    return this.#endpoints.get(incarnation)?.serving.size ?? 0
  }

  // ----------------------------------------------------------------------------------------- the end

  /**
   * No new calls from now on: to that process, or, without one, to any. What a running method still calls is part of what
   * was accepted, and goes on.
   */
  close(incarnation?: Incarnation): void {
    if (incarnation !== undefined) {
      const endpoint = this.#endpoints.get(incarnation)
      if (endpoint) endpoint.leaving = true
      return
    }
    this.#closed = true
    for (const name of this.#room.names()) {
      const held = this.#room.empty(name)
      for (const waiting of held) this.#end(waiting, new ClusterClosedError(nameOf(waiting.frame)))
    }
  }

  /** Resolves when no call is on its way to that process, or, without one, to any. */
  idle(incarnation?: Incarnation): Promise<void> {
    const busy = (): boolean =>
      incarnation === undefined
        ? [...this.#endpoints.values()].some(({ serving }) => serving.size > 0)
        : this.calls(incarnation) > 0
    return new Promise((resolve) => {
      const check = (): void => {
        if (busy()) this.#onIdle.push(check)
        else resolve()
      }
      check()
    })
  }

  // -------------------------------------------------------------------------------------- the frames

  /** A frame from a process. Who sent it is what the channel says, not the frame. */
  receive(incarnation: Incarnation, frame: MessagingUpFrame): void {
    const sender = this.#endpoints.get(incarnation)
    if (!sender) {
      this.dropped++
      return
    }
    switch (frame.kind) {
      case 'call':
        return this.#call(sender, frame)
      case 'result':
      case 'failure':
        return this.#answer(sender, frame)
      case 'cancel':
        return this.#cancel(sender, frame.id)
      case 'subscribe':
        return this.#broadcast.subscribe(sender, frame)
      case 'unsubscribe':
        return this.#broadcast.unsubscribe(sender, frame.channel)
      case 'publish':
        return this.#broadcast.publish(sender, frame)
      case 'ack':
        return this.#broadcast.acknowledge(sender, frame)
    }
  }

  /** Why a cast to there would certainly be lost, if it would: for the primary's own casts. */
  refusal(to: WireTarget, method: string): TroupeError | undefined {
    const name = nameOf({ to, method })
    if (this.#closed) return new ClusterClosedError(name)
    const resolution = this.#directory.resolve(to)
    return isRefusal(resolution) ? this.#directory.refusalOf(resolution, name) : undefined
  }

  /** Resolves when the link that the last cast was given to has taken it. */
  async castFlushed(): Promise<void> {
    await this.#casts.flushed()
  }

  /** Resolves when every link has taken what it was given, those that do not read excepted after a while. */
  async publishFlushed(): Promise<void> {
    const { clock } = this.#options
    const links = [...this.#endpoints.values()].map((endpoint) => endpoint.flushed())
    await within(clock, SLOW_SUBSCRIBER, Promise.all(links))
  }

  /** What waits, and what was dropped, as numbers. */
  stats(): RouterStats {
    return {
      waiting: this.#room.size,
      receipts: this.#broadcast.openReceipts,
      unexpected: this.dropped + this.#broadcast.unexpected,
      dropped: this.#drops.total,
    }
  }

  #call(caller: Endpoint, frame: CallFrame): void {
    if (frame.id === undefined) {
      if (this.#closed) this.#casts.drop(new ClusterClosedError(nameOf(frame)))
      else this.#casts.route(caller, frame)
      return
    }
    const route: Route = {
      id: ++this.#lastRoute,
      caller,
      frame: { ...frame, id: frame.id },
      target: undefined,
      refusedBy: new Set(),
    }
    caller.waiting.set(frame.id, route)
    if (this.#closed && !this.#isNested(frame)) return this.#fail(route, new ClusterClosedError(nameOf(frame)))
    if (frame.to === 'any') this.#directory.nextTurn()
    this.#route(route)
  }

  #route(route: Route): void {
    const { frame, caller } = route
    const resolution = this.#directory.resolve(frame.to, route.refusedBy)
    if (resolution.kind === 'deliver') return this.#deliver(route, resolution.incarnation)
    if (resolution.kind === 'wait') {
      if (this.#room.enter(resolution.room, route)) return caller.send({ kind: 'held', id: frame.id, held: true })
      return this.#fail(route, this.#directory.noRoom(frame))
    }
    this.#fail(route, this.#directory.refusalOf(resolution, nameOf(frame)))
  }

  #deliver(route: Route, incarnation: Incarnation): void {
    const target = this.#endpoints.get(incarnation)
    const { frame, caller } = route
    // Between the end of a link and the supervisor's word of it; the call goes nowhere, so say so.
    if (!target)
      return this.#fail(
        route,
        new WorkerUnavailableError({ ...nameOf(frame), reason: 'its link has just closed', sent: 'no' }),
      )
    route.target = target
    target.serving.set(route.id, route)
    target.send({
      kind: 'invoke',
      route: route.id,
      from: caller.ref,
      method: frame.method,
      payload: frame.payload,
      deadline: frame.deadline,
      chain: frame.chain,
    })
  }

  /** Made by a method that is still running? Then whoever waits for that method waits for this. */
  #isNested({ chain = [] }: CallFrame): boolean {
    const endpoints = [...this.#endpoints.values()]
    return chain.some(([route]) => endpoints.some(({ serving }) => serving.has(route)))
  }

  #answer(target: Endpoint, frame: ResultFrame | FailureFrame): void {
    const route = target.serving.get(frame.id)
    if (!route) {
      this.dropped++
      return
    }
    target.serving.delete(route.id)
    if (frame.kind === 'failure' && mayTryAnother(route.frame, frame.error.code) && !this.#closed) {
      route.target = undefined
      route.refusedBy.add(target)
      this.#route(route)
    } else {
      route.caller.waiting.delete(route.frame.id)
      route.caller.send({ ...frame, id: route.frame.id })
    }
    this.#checkIdle()
  }

  #cancel(caller: Endpoint, id: number): void {
    const route = caller.waiting.get(id)
    if (route) this.#abandon(route)
    else this.dropped++
    this.#checkIdle()
  }

  // ---------------------------------------------------------------------------------------- the ends

  /** The caller waits no more: the target may stop, and its answer, if it comes, is dropped. */
  #abandon(route: Route): void {
    route.caller.waiting.delete(route.frame.id)
    this.#room.leave(route)
    if (!route.target) return
    route.target.serving.delete(route.id)
    route.target.send({ kind: 'cancel', id: route.id })
  }

  #end(held: Held, error: TroupeError): void {
    if (held.id === undefined) this.#casts.drop(error)
    else this.#fail(held, error)
  }

  #fail(route: Route, error: TroupeError): void {
    route.caller.waiting.delete(route.frame.id)
    route.target?.serving.delete(route.id)
    route.caller.send({ kind: 'failure', id: route.frame.id, error: toRecord(error) })
  }

  #checkIdle(): void {
    const checks = this.#onIdle
    this.#onIdle = []
    for (const check of checks) check()
  }
}

function isRefusal(resolution: Resolution): resolution is Refusal {
  return resolution.kind === 'full' || resolution.kind === 'nobody'
}
