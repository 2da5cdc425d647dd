import type { Meeting, MessagingDownFrame, PeerFrame, UpFrame } from '../../../protocol/frames.js'
import type { ProcessRef } from '../../../protocol/ids.js'
import { blockOfRoute } from '../../../protocol/routes.js'
import type { Clock } from '../../clock.js'
import { FlightRecorder, TurnTime } from '../../evidence/flight-recorder.js'
import type { RoutedCalls } from '../routed-calls.js'
import { BusyReport } from './busy-report.js'
import type { Parting } from './parting.js'
import { PeerLink, type PeerTransport } from './peer-link.js'
import type { PeerLinks } from './peer-links.js'

export interface LinkReaderOptions {
  readonly self: ProcessRef
  /** Frames that a link may hold, `limits.link`. */
  readonly linkLimit: number
  readonly links: PeerLinks
  /** What this process has called over links. */
  readonly calls: Pick<RoutedCalls, 'answer' | 'progress' | 'items' | 'gone'>
  readonly parting: Pick<Parting, 'opened' | 'check'>
  readonly clock: Clock
  readonly toPrimary: (frame: UpFrame) => void
  /** A frame for this process's own messaging. */
  readonly deliver: (frame: MessagingDownFrame) => void
  readonly closed: (link: PeerLink) => void
}

/** What comes on the links of this process, from when each is made until it has ended. */
export class LinkReader {
  readonly #options: LinkReaderOptions
  readonly #busy: BusyReport
  /** For the flight recorders of all links. */
  readonly #time: TurnTime

  constructor(options: LinkReaderOptions) {
    this.#options = options
    this.#busy = new BusyReport(options.clock, options.toPrimary)
    this.#time = new TurnTime(options.clock)
  }

  /** Two have met. Whoever listened knows that the secret was right, and says so; the other waits for that. */
  met(transport: PeerTransport, { meeting, with: ref }: Meeting, dialled: boolean): void {
    const { self, linkLimit, links, toPrimary, deliver } = this.#options
    const link: PeerLink = new PeerLink({
      self,
      ref,
      meeting,
      dialled,
      transport,
      linkLimit,
      recorder: new FlightRecorder(this.#time),
      fence: (n) => toPrimary({ kind: 'fence', peer: ref.incarnation, n }),
      deliver: (frame) => (frame.kind === 'fence' ? link.fenceByPrimary(frame) : deliver(frame)),
    })
    links.add(link)
    if (!dialled) {
      transport.send({ kind: 'open' })
      this.#open(link)
    }
    transport.receive({ frame: (frame) => this.#read(link, frame), closed: () => this.#closed(link) })
  }

  /** A call that came on that link is answered, or given up. */
  hasEnded(link: PeerLink, route: number): void {
    if (!link.incoming.delete(route)) return
    this.#busy.ended()
    this.#options.parting.check()
  }

  #open(link: PeerLink): void {
    link.isOpen = true
    this.#options.parting.opened(link)
  }

  #read(link: PeerLink, frame: PeerFrame): void {
    const { calls, parting, deliver } = this.#options
    link.recorder.received(frame)
    switch (frame.kind) {
      case 'invoke':
        return this.#invoked(link, frame)
      case 'result':
      case 'failure':
        return calls.answer(link.endpoint, frame)
      case 'cancel':
        this.hasEnded(link, frame.id)
        return deliver(frame)
      case 'progress':
        return calls.progress(link.endpoint, frame)
      case 'items':
        return calls.items(link.endpoint, frame)
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
        return parting.check()
    }
  }

  /** Who calls is what the link says, not the frame; and so is which numbers it may use: under another it is dropped. */
  #invoked(link: PeerLink, frame: PeerFrame & { readonly kind: 'invoke' }): void {
    const { route, from } = frame
    if (route !== undefined) {
      if (blockOfRoute(route) !== link.theirBlock) return
      link.incoming.set(route, true)
    }
    this.#busy.began(route !== undefined)
    const isSo = from.id === link.ref.id && from.incarnation === link.ref.incarnation
    this.#options.deliver(isSo ? frame : { ...frame, from: link.ref })
  }

  /** What its process still runs for others is theirs to end; what this one runs for it has nobody who waits. */
  #closed(link: PeerLink): void {
    const { links, calls, parting, toPrimary, deliver, closed } = this.#options
    const { incarnation } = link.ref
    link.isOpen = false
    link.hasEnded = true
    link.endFences()
    links.end(link)
    for (const [route] of link.incoming.entries()) {
      this.hasEnded(link, route)
      deliver({ kind: 'cancel', id: route })
    }
    closed(link)
    // It is known how its process ended, and all that it wrote has been read.
    if (link.ending) for (const ended of links.take(incarnation)) calls.gone(ended.endpoint, link.ending)
    toPrimary({ kind: 'unlinked', meeting: link.meeting, recent: link.recorder.recent() })
    parting.check()
  }
}
