import { toRecord } from '../../../protocol/error-record.js'
import type {
  CallFrame,
  DownFrame,
  GoneFrame,
  Meeting,
  MessagingDownFrame,
  MessagingUpFrame,
  PeerFrame,
  ProgressFrame,
  UpFrame,
  WireTarget,
} from '../../../protocol/frames.js'
import type { Incarnation, ProcessRef } from '../../../protocol/ids.js'
import { blockOfRoute, isDirect } from '../../../protocol/routes.js'
import type { Clock } from '../../clock.js'
import { DropLog } from '../../drop-log.js'
import type { Limits } from '../../limits.js'
import type { Logger } from '../../logger.js'
import { RoutedCasts } from '../casts/routed-casts.js'
import type { Directory } from '../directory.js'
import { type DownLink, Endpoint, type Route } from '../endpoint.js'
import type { Members } from '../members.js'
import type { MessagingLink } from '../messaging-link.js'
import { isNumbered, RoutedCalls } from '../routed-calls.js'
import { textOnly } from './as-text.js'
import { Load } from './load.js'
import { type DirectPort, Meetings } from './meetings.js'
import { PeerLink, type PeerTransport } from './peer-link.js'
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

/** A dead process's last words may still be in its link, ms. */
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
  readonly #meetings: Meetings
  readonly #load: Load
  readonly #links: PeerLinks
  /** The last cast went over a link. */
  #castOverLink = false
  #sending = false
  #parting = false
  /** Frames that fitted nothing. */
  unexpected = 0

  constructor(options: DirectSwitchOptions) {
    this.#options = options
    const { self, members, limits, clock, logger, primary } = options
    this.#self = new Endpoint(self, this.#toSelf(), limits.link)
    this.#links = new PeerLinks(members, limits)
    const room = { enter: (_: WireTarget, held: RoomEntry) => this.#handOver(held), leave: () => false }
    const directory = this.#links as unknown as Directory
    this.#calls = new RoutedCalls({
      members,
      limits,
      clock,
      directory,
      room,
      fewer: () => {},
      nextRoute: ({ to }) => this.#links.to(to)?.nextRoute() ?? 0,
    })
    this.#casts = new RoutedCasts({ directory, room, drops: new DropLog(logger, clock) })
    this.#load = new Load(clock, (calls, served) => primary.send({ kind: 'busy', calls, served }))
    this.#meetings = new Meetings({
      port: options.port,
      clock,
      send: (frame) => primary.send(frame),
      opened: (link, meeting, dialled) => this.#opened(link, meeting, dialled),
      failed: () => this.#checkParted(),
    })
  }

  get full(): boolean {
    return this.#options.primary.full
  }

  castFlushed(): Promise<void> | undefined {
    return this.#castOverLink ? this.#casts.flushed() : this.#options.primary.castFlushed()
  }

  publishFlushed(): Promise<void> | undefined {
    return this.#options.primary.publishFlushed()
  }

  /** What is sent there now goes over a link, which carries bytes. */
  carriesBytes(to: WireTarget): boolean {
    return this.#links.to(to) !== undefined
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
    if (isNumbered(frame)) this.#calls.call(this.#self, frame)
    else this.#casts.route(this.#self, frame)
    this.#sending = false
  }

  #callByPrimary(frame: CallFrame): void {
    const { to } = frame
    if (to !== 0) {
      for (const link of this.#links.living()) if (link.isOpen && (to === 'any' || link.ref.id === to)) link.passBy()
      this.#want(to)
    }
    this.#toPrimary(frame)
  }

  /** The way there is asked for when it is first needed. */
  #want(to: WireTarget): void {
    if (typeof to !== 'number' || to === this.#options.self.id || this.#parting) return
    const member = this.#options.members.workers.get(to)
    if (member?.state !== 'ready' || this.#links.get(member.incarnation)?.isOpen) return
    this.#meetings.want(member)
  }

  #answer(frame: PeerFrame & { readonly id: number }): void {
    const link = this.#links.ofRoute(frame.id)
    if (!link) return
    link.send(frame)
    if (frame.kind !== 'items') this.#hasEnded(link, frame.id)
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
    this.#options.primary.send(textOnly(frame))
  }

  /** A call that cannot go over a link now, or has been lost there: the primary decides what becomes of it. */
  #handOver(held: RoomEntry): boolean {
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
        this.#meetings.refused(frame.incarnation)
        return true
      case 'part':
        this.#part()
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

  // ------------------------------------------------------------------------------------- the links

  #opened(transport: PeerTransport, meeting: Meeting, dialled: boolean): void {
    const { self, limits, primary, deliver } = this.#options
    const ref = meeting.with
    const link: PeerLink = new PeerLink({
      self,
      ref,
      meeting: meeting.meeting,
      dialled,
      transport,
      linkLimit: limits.link,
      fence: (n) => primary.send({ kind: 'fence', peer: ref.incarnation, n }),
      deliver: (frame) => (frame.kind === 'fence' ? link.fenceByPrimary(frame) : deliver(frame as MessagingDownFrame)),
    })
    this.#links.add(link)
    if (!dialled) {
      transport.send({ kind: 'open' })
      this.#open(link)
    }
    transport.receive({ frame: (frame) => this.#fromPeer(link, frame), closed: () => this.#closed(link) })
  }

  #open(link: PeerLink): void {
    link.isOpen = true
    if (this.#parting) this.#askToLeave(link)
  }

  #fromPeer(link: PeerLink, frame: PeerFrame): void {
    const { deliver } = this.#options
    switch (frame.kind) {
      case 'invoke':
        return this.#invoked(link, frame)
      case 'result':
      case 'failure':
        return this.#calls.answer(link.endpoint, frame)
      case 'cancel':
        this.#hasEnded(link, frame.id)
        return deliver(frame)
      case 'progress':
        return this.#calls.progress(link.endpoint, frame)
      case 'items':
        return this.#calls.items(link.endpoint, frame)
      case 'credit':
        return deliver(frame)
      case 'fence':
        return link.fenceOnLink(frame.n)
      case 'open':
        return this.#open(link)
      case 'leave':
        link.leaving = true
        return link.transport.send({ kind: 'left' })
      case 'left':
        link.left = true
        return this.#checkParted()
    }
  }

  /** Who calls is what the link says, not the frame; and so is which numbers it may use. */
  #invoked(link: PeerLink, frame: PeerFrame & { readonly kind: 'invoke' }): void {
    const { route } = frame
    if (route !== undefined) {
      if (blockOfRoute(route) !== link.theirBlock) {
        this.unexpected++
        return
      }
      link.incoming.add(route)
    }
    this.#load.began(route !== undefined)
    const { from } = frame
    const isSo = from.id === link.ref.id && from.incarnation === link.ref.incarnation
    this.#options.deliver(isSo ? frame : { ...frame, from: link.ref })
  }

  #hasEnded(link: PeerLink, route: number): void {
    if (!link.incoming.delete(route)) return
    this.#load.ended()
    if (this.#parting) this.#checkParted()
  }

  /** What its process still runs for others is theirs to end; what this one runs for it has nobody who waits. */
  #closed(link: PeerLink): void {
    const { deliver, primary } = this.#options
    link.isOpen = false
    link.hasEnded = true
    link.endFences()
    this.#links.end(link)
    for (const route of [...link.incoming]) {
      this.#hasEnded(link, route)
      deliver({ kind: 'cancel', id: route })
    }
    this.#meetings.refused(link.ref.incarnation)
    // It is known how its process ended, and all that it wrote has been read.
    if (link.ending)
      for (const ended of this.#links.take(link.ref.incarnation)) this.#calls.gone(ended.endpoint, link.ending)
    else primary.send({ kind: 'unlinked', meeting: link.meeting })
    this.#checkParted()
  }

  // -------------------------------------------------------------------------------------- the end

  /** No call comes over a link any more, before this process is removed. */
  #part(): void {
    this.#parting = true
    this.#meetings.close()
    for (const link of this.#links.living()) if (link.isOpen) this.#askToLeave(link)
    this.#checkParted()
  }

  #askToLeave(link: PeerLink): void {
    link.leaving = true
    if (link.asked) return
    link.asked = true
    link.transport.send({ kind: 'leave' })
  }

  #checkParted(): void {
    if (!this.#parting || this.#meetings.dialling) return
    // One that has been dialled and not answered may be open on the other side already.
    const links = this.#links.living()
    if (!links.every((link) => link.isParted)) return
    this.#parting = false
    // Their answers have to leave before this process does.
    void Promise.all(links.map((link) => link.transport.flushed())).then(() =>
      this.#options.primary.send({ kind: 'parted' }),
    )
  }

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

type RoomEntry = Route | { readonly id?: undefined; readonly caller: Endpoint; readonly frame: CallFrame }
