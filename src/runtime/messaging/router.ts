import { ClusterClosedError, type TroupeError, WorkerGoneError } from '../../protocol/errors.js'
import type { BusyFrame, CallFrame, FenceFrame, MessagingUpFrame, WireTarget } from '../../protocol/frames.js'
import type { Incarnation, ProcessRef } from '../../protocol/ids.js'
import type { Clock } from '../clock.js'
import { DropLog } from '../drop-log.js'
import type { Limits, Timeouts } from '../limits.js'
import type { Logger } from '../logger.js'
import type { OverflowEvent } from '../overflow-event.js'
import { within } from '../within.js'
import { acknowledgementOf, Broadcast } from './broadcast.js'
import { type HeldCast, RoutedCasts } from './casts/routed-casts.js'
import { Directory, nameOf, type Refusal } from './directory.js'
import { type DownLink, type Ending, Endpoint, type Route } from './endpoint.js'
import type { Members } from './members.js'
import type { Resolution } from './resolve.js'
import { isNumbered, RoutedCalls } from './routed-calls.js'
import { WaitingRoom } from './waiting-room.js'

export interface RouterOptions {
  readonly members: Members
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly clock: Clock
  readonly logger: Logger
  /** A process does not keep up with a channel. */
  readonly overflow: (event: OverflowEvent) => void
}

/** What waits for a worker that is starting: a call, or a cast, which has no route. */
type Held = Route | HeldCast

/** A publish waits for its subscribers' links, but no longer than this for one that does not read, ms. */
const SLOW_SUBSCRIBER = 100

/** How near a process is to the limits of that name. */
export interface ProcessStats {
  readonly id: number
  readonly incarnation: number
  /** Calls that it was sent and has not answered; of those that came over direct links, as many as it last spoke of. */
  readonly mailbox: number
  /** Bytes that wait in its link to the primary because it does not read. Those in direct links are not known here. */
  readonly linkBytes: number
}

export interface RouterStats {
  /** Calls and casts that wait for a worker that is starting. */
  readonly waiting: number
  /** Publishes with `ack` whose receipt is not complete. */
  readonly receipts: number
  /** Streams that have not ended. */
  readonly streams: number
  /** Answers, cancels and acknowledgements that fitted nothing: late, doubled, or from another process than the one asked. */
  readonly unexpected: number
  /** Casts and channel messages that could not be delivered. */
  readonly dropped: number
  /** Every process that messages go to, the primary as 0. */
  readonly processes: readonly ProcessStats[]
}

/**
 * The primary's switch. What passes here, payload unread: calls and streams (`routed-calls.ts`), casts
 * (`casts/routed-casts.ts`), channels (`broadcast.ts`). Of all that, the router knows at any time who waits for whom, and when
 * a process dies it can tell everyone concerned. What two workers send over a link of their own (`direct/`) it does not see:
 * there each side's switch does the same.
 */
export class Router {
  readonly #options: RouterOptions
  readonly #directory: Directory
  /** By incarnation, the primary's own as 0. */
  readonly #endpoints: Map<Incarnation, Endpoint>
  readonly #room: WaitingRoom<Held>
  readonly #broadcast: Broadcast
  readonly #drops: DropLog
  readonly #calls: RoutedCalls
  readonly #casts: RoutedCasts
  #closed = false
  #onIdle: (() => void)[] = []
  /** Frames of processes that are not there, or not any more. */
  #unexpected = 0

  constructor(options: RouterOptions) {
    this.#options = options
    this.#directory = new Directory(options.members, options.limits)
    this.#endpoints = this.#directory.endpoints
    this.#room = new WaitingRoom(options.limits.waiting)
    this.#drops = new DropLog(options.logger, options.clock)
    const parts = { directory: this.#directory, room: this.#room }
    this.#calls = new RoutedCalls({ ...options, ...parts, fewer: () => this.#checkIdle() })
    this.#casts = new RoutedCasts({ ...parts, drops: this.#drops })
    this.#broadcast = new Broadcast(options.clock, options.timeouts.ack, this.#drops, options.overflow)
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
    this.#calls.gone(endpoint, ending)
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
        else this.#calls.release(held)
      }
    }
  }

  /** Calls that a process has been sent and has not answered, over direct links too. */
  calls(incarnation: Incarnation): number {
    const endpoint = this.#endpoints.get(incarnation)
    return endpoint ? endpoint.serving.size + endpoint.directCalls : 0
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
    this.#calls.close()
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
        : (this.#endpoints.get(incarnation)?.serving.size ?? 0) > 0
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
      this.#unexpected++
      return
    }
    switch (frame.kind) {
      case 'call':
        return this.#call(sender, frame)
      case 'result':
      case 'failure':
        return this.#calls.answer(sender, frame)
      case 'cancel':
        return this.#calls.cancel(sender, frame.id)
      case 'progress':
        return this.#calls.progress(sender, frame)
      case 'items':
        return this.#calls.items(sender, frame)
      case 'credit':
        return this.#calls.credit(sender, frame)
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

  /** What concerns direct links, of which the router sees no more than this. */
  receiveOfLinks(incarnation: Incarnation, frame: FenceFrame | BusyFrame): void {
    const sender = this.#endpoints.get(incarnation)
    if (!sender) return
    // In its place among what that process has sent there, however full the link is.
    if (frame.kind === 'fence') this.#endpoints.get(frame.peer)?.send({ kind: 'fence', peer: incarnation, n: frame.n })
    else sender.directCalls = frame.calls
  }

  /** Why a cast to there would certainly be lost, if it would: for the primary's own casts. */
  refusal(to: WireTarget, method: string): TroupeError | undefined {
    const name = nameOf({ to, method })
    if (this.#closed) return new ClusterClosedError(name)
    const resolution = this.#directory.resolve(to)
    if (resolution.kind === 'wait' && this.#room.isFull(resolution.room)) return this.#directory.noRoom({ to, method })
    return isRefusal(resolution) ? this.#directory.refusalOf(resolution, name) : undefined
  }

  /** Resolves when the link that the last cast was given to has taken it. */
  castFlushed(): Promise<void> | undefined {
    return this.#casts.flushed()
  }

  /**
   * Resolves when the links of those whom the last message went to have taken it: those that do not read excepted after a
   * while, and those that are known to be blocked at once.
   */
  publishFlushed(): Promise<void> | undefined {
    const { clock, members } = this.#options
    const links = this.#broadcast.reached.flatMap((endpoint) =>
      members.processes.get(endpoint.ref.incarnation)?.state === 'unhealthy' ? [] : (endpoint.flushed() ?? []),
    )
    return links.length > 0 ? within(clock, SLOW_SUBSCRIBER, Promise.all(links)).then(() => {}) : undefined
  }

  /** What waits, and what was dropped, as numbers. */
  stats(): RouterStats {
    return {
      waiting: this.#room.size,
      receipts: this.#broadcast.openReceipts,
      streams: this.#calls.openStreams(),
      unexpected: this.#unexpected + this.#calls.unexpected + this.#broadcast.unexpected,
      dropped: this.#drops.total,
      processes: [...this.#endpoints.values()].map(({ ref, serving, directCalls, held }) => ({
        id: ref.id,
        incarnation: ref.incarnation,
        mailbox: serving.size + directCalls,
        linkBytes: held,
      })),
    }
  }

  #call(caller: Endpoint, frame: CallFrame): void {
    if (isNumbered(frame)) this.#calls.call(caller, frame)
    else if (this.#closed) this.#casts.drop(caller, frame, new ClusterClosedError(nameOf(frame)))
    else this.#casts.route(caller, frame)
  }

  #end(held: Held, error: TroupeError): void {
    if (held.id === undefined) this.#casts.drop(held.caller, held.frame, error)
    else this.#calls.fail(held, error)
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
