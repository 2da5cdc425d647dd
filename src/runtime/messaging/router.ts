import type { Target } from '../../protocol/address.js'
import { toRecord } from '../../protocol/error-record.js'
import {
  type CallDetails,
  ClusterClosedError,
  MailboxFullError,
  NoSuchWorkerError,
  type TroupeError,
  type WorkerGoneDetails,
  WorkerGoneError,
  WorkerUnavailableError,
} from '../../protocol/errors.js'
import type { CallFrame, FailureFrame, MessagingUpFrame, ResultFrame, WireTarget } from '../../protocol/frames.js'
import { type Incarnation, PRIMARY, type ProcessRef } from '../../protocol/ids.js'
import type { Clock } from '../clock.js'
import type { Limits, Timeouts } from '../limits.js'
import type { Logger } from '../logger.js'
import { acknowledgementOf, Broadcast } from './broadcast.js'
import { type DownLink, Endpoint, type Route } from './endpoint.js'
import type { Members } from './members.js'
import { type Resolution, resolve } from './resolve.js'
import { WaitingRoom } from './waiting-room.js'

export interface RouterOptions {
  readonly members: Members
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly clock: Clock
  readonly logger: Logger
}

type Refusal = Extract<Resolution, { kind: 'full' | 'nobody' }>

/** What waits for a worker that is starting: a call, or a cast, which has no route. */
type Held = Route | HeldCast
interface HeldCast {
  readonly id?: undefined
  readonly caller: Endpoint
  readonly frame: CallFrame
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
  readonly #endpoints = new Map<Incarnation, Endpoint>()
  readonly #room: WaitingRoom<Held>
  readonly #broadcast: Broadcast
  #lastRoute = 0
  #turn = 0
  #closed = false
  #onIdle: (() => void)[] = []
  /** Answers and cancels that fitted no call: late, doubled, or from another process than the one asked. */
  dropped = 0

  constructor(options: RouterOptions) {
    this.#options = options
    this.#room = new WaitingRoom(options.limits.waiting)
    this.#broadcast = new Broadcast(options.clock, options.timeouts.ack)
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
      if (this.#resolve(name).kind === 'wait') continue
      for (const held of this.#room.empty(name)) {
        if (held.id === undefined) this.#cast(held.caller, held.frame)
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

  /** No new calls from now on. */
  close(): void {
    this.#closed = true
    for (const name of this.#room.names()) {
      for (const held of this.#room.empty(name)) {
        const error = new ClusterClosedError(nameOf(held.frame))
        if (held.id === undefined) this.#dropCast(error)
        else this.#fail(held, error)
      }
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
    const details = { target: targetOf(to), method, sent: 'no' as const }
    if (this.#closed) return new ClusterClosedError(details)
    const resolution = this.#resolve(to)
    return resolution.kind === 'full' || resolution.kind === 'nobody' ? this.#refusalOf(resolution, details) : undefined
  }

  /** Resolves when the link to that worker has taken what it was given. */
  async flushed(to: WireTarget): Promise<void> {
    const resolution = this.#resolve(to)
    if (resolution.kind === 'deliver') await this.#endpoints.get(resolution.incarnation)?.flushed()
  }

  #call(caller: Endpoint, frame: CallFrame): void {
    if (frame.id === undefined) return this.#cast(caller, frame)
    const route: Route = {
      id: ++this.#lastRoute,
      caller,
      frame: { ...frame, id: frame.id },
      target: undefined,
      refusedBy: new Set(),
    }
    caller.waiting.set(frame.id, route)
    if (this.#closed) this.#fail(route, new ClusterClosedError(nameOf(frame)))
    else this.#route(route)
  }

  #route(route: Route): void {
    const { frame, caller } = route
    const resolution = this.#resolve(frame.to, route.refusedBy)
    if (resolution.kind === 'deliver') return this.#deliver(route, resolution.incarnation)
    if (resolution.kind === 'wait') {
      if (this.#room.enter(resolution.room, route)) return caller.send({ kind: 'held', id: frame.id, held: true })
      return this.#fail(route, this.#noRoom(frame))
    }
    this.#fail(route, this.#refusalOf(resolution, nameOf(frame)))
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

  #cast(caller: Endpoint, frame: CallFrame): void {
    if (this.#closed) return this.#dropCast(new ClusterClosedError(nameOf(frame)))
    const resolution = this.#resolve(frame.to)
    if (resolution.kind === 'deliver') {
      const target = this.#endpoints.get(resolution.incarnation)
      target?.send({
        kind: 'invoke',
        from: caller.ref,
        method: frame.method,
        payload: frame.payload,
        chain: frame.chain,
      })
    } else if (resolution.kind === 'wait') {
      if (!this.#room.enter(resolution.room, { caller, frame })) this.#dropCast(this.#noRoom(frame))
    } else this.#dropCast(this.#refusalOf(resolution, nameOf(frame)))
  }

  /** Nobody waits for a cast, so the log is told. */
  #dropCast(error: TroupeError): void {
    this.#options.logger.warn(`a cast was dropped: ${error.message}`)
  }

  #answer(target: Endpoint, frame: ResultFrame | FailureFrame): void {
    const route = target.serving.get(frame.id)
    if (!route) {
      this.dropped++
      return
    }
    target.serving.delete(route.id)
    if (
      frame.kind === 'failure' &&
      frame.error.code === 'ERR_MAILBOX_FULL' &&
      route.frame.to === 'any' &&
      !this.#closed
    ) {
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

  #fail(route: Route, error: TroupeError): void {
    route.caller.waiting.delete(route.frame.id)
    route.target?.serving.delete(route.id)
    route.caller.send({ kind: 'failure', id: route.frame.id, error: toRecord(error) })
  }

  #resolve(to: WireTarget, refusedBy?: ReadonlySet<Endpoint>): Resolution {
    const { members, limits } = this.#options
    return resolve(to, {
      workers: members.workers,
      turn: this.#turn++,
      hasRoom: (incarnation) => {
        const endpoint = this.#endpoints.get(incarnation)
        return !endpoint || (endpoint.serving.size < limits.mailbox && !endpoint.full && !refusedBy?.has(endpoint))
      },
    })
  }

  #refusalOf(resolution: Refusal, details: CallDetails): TroupeError {
    const { limits } = this.#options
    if (resolution.kind === 'nobody')
      return new NoSuchWorkerError({ ...details, reason: resolution.reason, sent: 'no' })
    const worker = typeof details.target === 'number' ? this.#options.members.workers.get(details.target) : undefined
    const queue = worker && this.#endpoints.get(worker.incarnation)?.full ? 'link' : 'mailbox'
    return new MailboxFullError({ ...details, limit: limits[queue], queue, sent: 'no' })
  }

  #noRoom(frame: CallFrame): WorkerUnavailableError {
    const reason = `the worker is starting, and ${this.#options.limits.waiting} calls wait for it already (\`limits.waiting\`)`
    return new WorkerUnavailableError({ ...nameOf(frame), reason, sent: 'no' })
  }

  #checkIdle(): void {
    const checks = this.#onIdle
    this.#onIdle = []
    for (const check of checks) check()
  }
}

function nameOf({ to, method }: CallFrame): { target: Target; method: string; sent: 'no' } {
  return { target: targetOf(to), method, sent: 'no' }
}

function targetOf(to: WireTarget): Target {
  return to === PRIMARY.id ? 'primary' : to
}
