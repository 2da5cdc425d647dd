import { RECORDED_FRAMES } from '../../protocol/frame-checks.js'
import type { DownFrame, PassedOnLink, UpFrame } from '../../protocol/frames.js'
import type { WorkerId } from '../../protocol/ids.js'
import type { Receiver, Transport } from '../../protocol/transport.js'
import type { FlightRecorder } from './flight-recorder.js'

/** One message from or to a worker, without what it carried. */
export interface RecordedFrame {
  /** How long before the worker's end it passed, ms: when the turn of the event loop began in which it was sent or read. */
  readonly ago: number
  /** Who sent it: the worker itself, the primary, or another worker over a direct link. */
  readonly from: 'worker' | 'primary' | 'peer'
  /** The id of the other worker, of a message over a direct link. */
  readonly peer: WorkerId | undefined
  /** What kind of message: `invoke` (a call to whoever got it), `result`, `call` (one for the primary to pass on), `publish`, `drain`, … */
  readonly kind: string
  /** The number that a question and its answer share. Below zero on a direct link. */
  readonly id: number | undefined
  /** The method that is called, or the channel. */
  readonly name: string | undefined
}

/** `ago` is found out when it is told. */
type Recalled = Omit<RecordedFrame, 'ago'> & { readonly at: number }

/** A link of the primary to a worker, with a recorder and a counter on the line. */
export class RecordedLink implements Transport<DownFrame, UpFrame> {
  /** Calls and casts that were sent to the worker, by other workers over direct links too. */
  invoked = 0
  readonly #link: Transport<DownFrame, UpFrame>
  readonly #recorder: FlightRecorder
  /** What has passed on direct links of the worker, once those have ended: as many as are told. */
  #direct: Recalled[] = []
  #ended: { readonly at: number; readonly byPrimary: readonly PassedOnLink[] } | undefined

  constructor(link: Transport<DownFrame, UpFrame>, recorder: FlightRecorder) {
    this.#link = link
    this.#recorder = recorder
  }

  get full(): boolean {
    return this.#link.full
  }

  /** The worker has ended: what passes here from now on is nothing that it has seen. */
  seal(): void {
    this.#ended = { at: this.#recorder.now(), byPrimary: this.#recorder.recent() }
  }

  /** What has passed here last before its end, and what others have told of direct links by now. */
  recent(): RecordedFrame[] {
    const { at: end, byPrimary } = this.#ended ?? { at: this.#recorder.now(), byPrimary: this.#recorder.recent() }
    const all = [...byPrimary.map((passed) => recalled(passed, 'primary', undefined)), ...this.#direct]
    return lastOf(all).map(({ at, ...rest }) => ({ ago: Math.max(0, end - at), ...rest }))
  }

  /** A direct link of the worker has ended. `byItself`: this worker tells what has passed there, else the other one does. */
  linkEnded(peer: WorkerId, recent: readonly PassedOnLink[], byItself: boolean): void {
    // Whoever tells of the future would push out what is true.
    const now = this.#recorder.now()
    const told = recent.map(([at, sent, ...rest]) =>
      recalled([Math.min(at, now), sent !== byItself, ...rest], 'peer', peer),
    )
    this.#direct = lastOf([...this.#direct, ...told])
  }

  get held(): number {
    return this.#link.held
  }

  send(frame: DownFrame): void {
    if (frame.kind === 'invoke') this.invoked++
    this.#recorder.add(true, frame)
    this.#link.send(frame)
  }

  sendNow(frame: DownFrame, options?: { readonly handle?: unknown; readonly written?: () => void }): void {
    this.#recorder.add(true, frame)
    this.#link.sendNow(frame, options)
  }

  receive(receiver: Receiver<UpFrame>): void {
    this.#link.receive({
      frame: (frame, handle) => {
        this.#recorder.add(false, frame)
        if (frame.kind === 'busy') this.invoked += frame.served
        receiver.frame(frame, handle)
      },
      handleLost: () => receiver.handleLost?.(),
      closed: () => receiver.closed(),
    })
  }

  flushed(): Promise<void> | undefined {
    return this.#link.flushed()
  }

  drop(matches: (frame: DownFrame) => boolean): DownFrame | undefined {
    return this.#link.drop(matches)
  }

  close(): void {
    this.#link.close()
  }
}

/** As it is told of the worker: `sent` is by the other end. */
function recalled(
  [at, sent, kind, id, name]: PassedOnLink,
  other: 'primary' | 'peer',
  peer: WorkerId | undefined,
): Recalled {
  return { at, from: sent ? other : 'worker', peer, kind, id: id ?? undefined, name: name ?? undefined }
}

/** In the order of time; of one link they are in it already. */
function lastOf(frames: readonly Recalled[]): Recalled[] {
  return [...frames].sort((a, b) => a.at - b.at).slice(-RECORDED_FRAMES)
}
