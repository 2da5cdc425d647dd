import type { InvokeFrame, MessagingDownFrame, PeerFrame } from '../../../protocol/frames.js'
import type { ProcessRef } from '../../../protocol/ids.js'
import { blockOf, routeIn } from '../../../protocol/routes.js'
import type { Transport } from '../../../protocol/transport.js'
import type { FlightRecorder } from '../../evidence/flight-recorder.js'
import { Numbered } from '../../numbered.js'
import { type DownLink, type Ending, Endpoint } from '../endpoint.js'

/** A link whose reader can be told to wait: whoever writes is then held up. */
export interface PeerTransport extends Transport<PeerFrame, PeerFrame> {
  hold(): void
  release(): void
}

export interface PeerLinkOptions {
  readonly self: ProcessRef
  readonly ref: ProcessRef
  readonly meeting: number
  /** This side has dialled. */
  readonly dialled: boolean
  readonly transport: PeerTransport
  readonly linkLimit: number
  /** Of what passes here, for whoever asks what the other process was doing when it ended. */
  readonly recorder: FlightRecorder
  /** Sends a fence by way of the primary. */
  readonly fence: (n: number) => void
  /** What came by way of the primary, and may be read now. */
  readonly deliver: (frame: MessagingDownFrame) => void
}

/**
 * One direct link as this side sees it: what is in flight on it, and the fences that keep the order between it and the way by
 * the primary. Whoever changes the way sends a fence on both; what comes behind it on either is not read before both have come.
 */
export class PeerLink {
  readonly ref: ProcessRef
  readonly meeting: number
  readonly transport: PeerTransport
  /** The other process as a target of calls, with those that it has not answered. */
  readonly endpoint: Endpoint
  /** Calls that have come from there and are not answered, by route. */
  readonly incoming = new Numbered<true>()
  /** The block of the numbers of those. */
  readonly theirBlock: number
  readonly recorder: FlightRecorder
  /** The other side has accepted the link, and this side may send. */
  isOpen = false
  /** Nothing comes on it any more. */
  hasEnded = false
  /** No call may be sent on it any more. */
  leaving = false
  /** The other side has been asked to send none; and has promised it. */
  asked = false
  left = false
  /** How that process has ended, once the primary has said so. */
  ending: Ending | undefined
  readonly #options: PeerLinkOptions
  readonly #ownBlock: number
  #lastNumber = 0
  /** Which way the last message went that had a choice. */
  #way: 'link' | 'primary' = 'primary'
  #sentFences = 0
  /** The last fence that has come on each way. */
  #onLink = 0
  #byPrimary = 0
  /** What has come by the primary behind a fence that has not come on the link. */
  #behind: MessagingDownFrame[] = []

  constructor(options: PeerLinkOptions) {
    const { ref, meeting, transport, dialled, linkLimit, recorder } = options
    this.#options = options
    this.ref = ref
    this.meeting = meeting
    this.transport = transport
    this.recorder = recorder
    this.#ownBlock = blockOf(meeting, dialled)
    this.theirBlock = blockOf(meeting, !dialled)
    this.endpoint = new Endpoint(ref, this.#asDownLink(), linkLimit)
  }

  get takesCalls(): boolean {
    return this.isOpen && !this.leaving
  }

  /** Nothing comes from there any more, and nothing is left of what came. */
  get isParted(): boolean {
    return this.left && this.incoming.size === 0
  }

  /** One that is in flight for so long that all other numbers have been used keeps its own. */
  nextRoute(): number {
    let route: number
    do route = routeIn(this.#ownBlock, ++this.#lastNumber)
    while (this.endpoint.serving.has(route))
    return route
  }

  /** What has its place in the order of messages. */
  send(frame: PeerFrame): void {
    this.#takes('link')
    this.recorder.sent(frame)
    this.transport.send(frame)
  }

  /** Something is about to go by the primary that may be for that process. */
  passBy(): void {
    this.#takes('primary')
  }

  fenceOnLink(n: number): void {
    this.#onLink = n
    if (n > this.#byPrimary) this.transport.hold()
    else this.#readBehind()
  }

  /** False while what comes from there by the primary has to wait: then it is kept here. */
  mayRead(frame: MessagingDownFrame): boolean {
    if (this.#byPrimary <= this.#onLink) return true
    this.#behind.push(frame)
    return false
  }

  fenceByPrimary(frame: MessagingDownFrame & { readonly kind: 'fence' }): void {
    if (!this.mayRead(frame)) return
    this.#byPrimary = frame.n
    if (this.#onLink >= frame.n) this.transport.release()
  }

  /** The call that waits here under that number, if one does, is given up before anybody has read it. */
  withdraw(route: number): boolean {
    const index = this.#behind.findIndex((frame) => frame.kind === 'invoke' && frame.route === route)
    if (index >= 0) this.#behind.splice(index, 1)
    return index >= 0
  }

  /** Frames that wait for a fence. */
  get waiting(): number {
    return this.#behind.length
  }

  /** One of the two ways has come to its end: nothing on the other need wait for it. */
  endFences(): void {
    this.#onLink = Number.POSITIVE_INFINITY
    this.#byPrimary = Number.POSITIVE_INFINITY
    const behind = this.#behind
    this.#behind = []
    for (const frame of behind) if (frame.kind !== 'fence') this.#options.deliver(frame)
    this.transport.release()
  }

  #takes(way: 'link' | 'primary'): void {
    if (this.#way === way) return
    this.#way = way
    const n = ++this.#sentFences
    this.#options.fence(n)
    this.transport.send({ kind: 'fence', peer: this.#options.self.incarnation, n })
  }

  #readBehind(): void {
    const behind = this.#behind
    this.#behind = []
    for (const frame of behind) {
      if (frame.kind === 'fence') this.fenceByPrimary(frame)
      else if (this.mayRead(frame)) this.#options.deliver(frame)
    }
  }

  /** As `RoutedCalls` sees it. */
  #asDownLink(): DownLink {
    const { transport } = this
    return {
      get full() {
        return transport.full
      },
      get held() {
        return transport.held
      },
      send: (frame) => this.send(frame as InvokeFrame),
      flushed: () => transport.flushed(),
      drop: () => undefined,
    }
  }
}
