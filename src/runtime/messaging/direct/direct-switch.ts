import type { PartMemory } from '../../../protocol/binary-parts.js'
import { toRecord } from '../../../protocol/error-record.js'
import type {
  CallFrame,
  DownFrame,
  GoneFrame,
  MessagingDownFrame,
  MessagingUpFrame,
  PeerFrame,
  ProgressFrame,
  UpFrame,
  WireTarget,
} from '../../../protocol/frames.js'
import type { Incarnation, ProcessRef } from '../../../protocol/ids.js'
import { asOpaque } from '../../../protocol/payload-forms.js'
import { isDirect } from '../../../protocol/routes.js'
import type { Clock } from '../../clock.js'
import { DropLog } from '../../drop-log.js'
import type { Limits } from '../../limits.js'
import type { Logger } from '../../logger.js'
import { type HeldCast, RoutedCasts } from '../casts/routed-casts.js'
import { type DownLink, Endpoint, type Route } from '../endpoint.js'
import type { Members } from '../members.js'
import type { MessagingLink } from '../messaging-link.js'
import { isNumbered, RoutedCalls } from '../routed-calls.js'
import { LinkReader } from './link-reader.js'
import { type DirectPort, Meetings } from './meetings.js'
import { PartPool } from './part-pool.js'
import { Parting } from './parting.js'
import type { PeerLink } from './peer-link.js'
import { PeerLinks } from './peer-links.js'

export interface DirectSwitchOptions {
  readonly self: ProcessRef
  /** The way by the primary. */
  readonly primary: Omit<MessagingLink, 'send'> & { send(frame: UpFrame): void }
  readonly port: DirectPort
  readonly members: Members
  readonly limits: Limits
  readonly clock: Clock
  readonly logger: Logger
  /** A frame for this process's own messaging. */
  readonly deliver: (frame: MessagingDownFrame) => void
}

/** How long a dead process's last words may still be in its link, ms: the primary waits for what has passed there, a little longer. */
const LAST_WORDS = 40

/**
 * A worker's own switch, between its messaging and the way to the primary. Calls and casts to a worker that it has a link to
 * go there, by the router's own mechanism; all else, and all of it when there is no link, goes by the primary.
 */
export class DirectSwitch implements MessagingLink {
  readonly #options: DirectSwitchOptions
  readonly #self: Endpoint
  readonly #calls: RoutedCalls
  readonly #casts: RoutedCasts
  readonly #links: PeerLinks
  readonly #meetings: Meetings
  readonly #parting: Parting
  readonly #reader: LinkReader
  readonly #pool: PartPool
  /** The last cast went over a link. */
  #castOverLink = false
  /** A call is being sent: what comes of it at once is delivered after it. */
  #sending = false

  constructor(options: DirectSwitchOptions) {
    this.#options = options
    const { self, members, limits, clock, logger, primary, deliver, port } = options
    const toPrimary = (frame: UpFrame): void => primary.send(frame)
    this.#self = new Endpoint(self, this.#toSelf(), limits.link)
    const links = new PeerLinks(members, limits)
    this.#links = links
    this.#pool = new PartPool(clock)
    const room = { enter: (_: WireTarget, held: Route | HeldCast) => this.#handOver(held), leave: () => false }
    this.#calls = new RoutedCalls({
      members,
      limits,
      clock,
      directory: links,
      room,
      fewer: () => {},
      served: ({ payload }) => this.#pool.giveBack(payload),
    })
    this.#casts = new RoutedCasts({ directory: links, room, drops: new DropLog(logger, clock) })
    const parting = new Parting({
      links,
      isDialling: () => this.#meetings.isDialling,
      parted: () => toPrimary({ kind: 'parted' }),
    })
    this.#parting = parting
    this.#reader = new LinkReader({
      self,
      linkLimit: limits.link,
      links,
      calls: this.#calls,
      parting,
      clock,
      toPrimary,
      deliver,
      closed: ({ ref }) => this.#meetings.askLater(ref.incarnation),
    })
    this.#meetings = new Meetings({
      port,
      clock,
      send: toPrimary,
      opened: (link, meeting, dialled) => this.#reader.met(link, meeting, dialled),
      failed: () => parting.check(),
    })
  }

  /** What goes over a direct link is not held up by a full one to the primary: whether that link is full, its directory knows. */
  isFull(to: WireTarget): boolean {
    return this.#options.primary.isFull(to) && !this.#links.to(to)
  }

  castFlushed(): Promise<void> | undefined {
    return this.#castOverLink ? this.#casts.flushed() : this.#options.primary.castFlushed()
  }

  publishFlushed(): Promise<void> | undefined {
    return this.#options.primary.publishFlushed()
  }

  /** For what is sent there now, if it goes over a link, which carries bytes. */
  memoryFor(to: WireTarget): PartMemory | undefined {
    return this.#links.to(to) && this.#pool
  }

  // ------------------------------------------------------------------------- what this process sends

  send(frame: MessagingUpFrame): void {
    switch (frame.kind) {
      case 'call':
        return this.#call(frame)
      case 'cancel':
        return this.#self.waiting.has(frame.id) ? this.#calls.cancel(this.#self, frame.id) : this.#toPrimary(frame)
      case 'credit':
        return this.#self.waiting.has(frame.id) ? this.#calls.credit(this.#self, frame) : this.#toPrimary(frame)
      case 'result':
      case 'failure':
      case 'items':
        return isDirect(frame.id) ? this.#answer(frame) : this.#toPrimary(frame)
      case 'progress':
        return this.#progress(frame)
      case 'publish':
        for (const link of this.#links.living()) if (link.isOpen) link.passBy()
        return this.#toPrimary(frame)
      default:
        return this.#toPrimary(frame)
    }
  }

  #call(frame: CallFrame): void {
    const { to } = frame
    const link = this.#links.to(to)
    if (frame.id === undefined) this.#castOverLink = link !== undefined
    if (!link) return this.#callByPrimary(frame)
    this.#sending = true
    try {
      if (isNumbered(frame)) this.#calls.call(this.#self, frame, link.nextRoute())
      else this.#casts.route(this.#self, frame)
    } finally {
      this.#sending = false
    }
  }

  #callByPrimary(frame: CallFrame): void {
    const { to } = frame
    if (to === 0) return this.#toPrimary(frame)
    for (const link of this.#links.living()) if (link.isOpen && (to === 'any' || link.ref.id === to)) link.passBy()
    this.#want(to)
    const payload = asOpaque(frame.payload)
    this.#toPrimary(payload === frame.payload ? frame : { ...frame, payload })
  }

  /** The way there is asked for when it is first needed. */
  #want(to: WireTarget): void {
    if (typeof to !== 'number' || to === this.#options.self.id) return
    const member = this.#options.members.workers.get(to)
    if (member?.state !== 'ready' || this.#links.get(member.incarnation)?.isOpen) return
    this.#meetings.want(member)
  }

  #answer(frame: PeerFrame & { readonly id: number }): void {
    const link = this.#links.ofRoute(frame.id)
    if (!link) return
    link.send(frame)
    if (frame.kind !== 'items') this.#reader.hasEnded(link, frame.id)
  }

  #progress({ calls, ...rest }: ProgressFrame): void {
    const byLink = new Map<PeerLink | undefined, ProgressFrame['calls'][number][]>()
    for (const call of calls) {
      const link = this.#links.ofRoute(call.id)
      if (!link && isDirect(call.id)) continue
      byLink.set(link, [...(byLink.get(link) ?? []), call])
    }
    for (const [link, calls] of byLink) {
      if (link) link.transport.send({ ...rest, calls })
      else this.#toPrimary({ ...rest, calls })
    }
  }

  #toPrimary(frame: MessagingUpFrame): void {
    this.#options.primary.send(frame)
  }

  /** A call that cannot go over a link now, or has been lost there: the primary decides what becomes of it. */
  #handOver(held: Route | HeldCast): boolean {
    const { frame } = held
    if (held.id !== undefined) this.#self.waiting.delete(held.frame.id)
    const lost = held.id === undefined ? undefined : held.lost
    this.#callByPrimary(lost ? { ...frame, lost: toRecord(lost) } : frame)
    return true
  }

  // ---------------------------------------------------------------------- what the primary has sent

  /** False when it is none of its business. */
  receive(frame: DownFrame): boolean {
    switch (frame.kind) {
      case 'meet':
        this.#meetings.listen(frame)
        return true
      case 'dial':
        this.#meetings.dial(frame)
        return true
      case 'undialled':
        this.#meetings.askLater(frame.incarnation)
        return true
      case 'part':
        this.#meetings.close()
        this.#parting.begin()
        return true
      case 'gone':
        this.#gone(frame)
        return true
      case 'fence':
        this.#links.get(frame.peer)?.fenceByPrimary(frame)
        return true
      case 'invoke':
        return !this.#mayRead(frame.from.incarnation, frame)
      case 'message':
        return frame.from !== undefined && !this.#mayRead(frame.from, frame)
      case 'cancel':
        return this.#withdraw(frame.id)
      default:
        return false
    }
  }

  #mayRead(from: Incarnation, frame: MessagingDownFrame): boolean {
    const link = this.#links.get(from)
    if (!link || link.mayRead(frame)) return true
    // It sends by the primary without end, and its link is not read meanwhile: the order is not worth all memory.
    if (link.waiting > this.#options.limits.link) link.transport.close()
    return false
  }

  #withdraw(route: number): boolean {
    for (const link of this.#links.living()) if (link.waiting > 0 && link.withdraw(route)) return true
    return false
  }

  #gone({ incarnation, ending }: GoneFrame): void {
    this.#meetings.forget(incarnation)
    for (const link of this.#links.take(incarnation)) this.#calls.gone(link.endpoint, ending)
    const link = this.#links.get(incarnation)
    if (!link) return
    link.ending = ending
    // Nothing comes by the primary any more that a fence could wait for.
    link.endFences()
    this.#options.clock.after(LAST_WORDS, () => link.transport.close(), { idle: true })
  }

  // -------------------------------------------------------------------------------------- the end

  /** The primary is gone, and this process will be. */
  close(): void {
    this.#meetings.end()
    for (const link of this.#links.living()) link.transport.close()
  }

  // ------------------------------------------------------------------------------------- its parts

  /** What the calls come to. Never inside the question. */
  #toSelf(): DownLink {
    const { deliver } = this.#options
    return {
      full: false,
      held: 0,
      send: (frame) => {
        if (this.#sending) queueMicrotask(() => deliver(frame))
        else deliver(frame)
      },
      flushed: () => undefined,
      drop: () => undefined,
    }
  }
}
