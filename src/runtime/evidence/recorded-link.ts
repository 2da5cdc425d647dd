import { RECORDED_FRAMES } from '../../protocol/contract.js'
import type { DownFrame, FrameRecord, UpFrame } from '../../protocol/frames.js'
import type { WorkerId } from '../../protocol/ids.js'
import type { Receiver, SendNowOptions, Transport } from '../../protocol/transport.js'
import { FlightRecorder, type TurnTime } from './flight-recorder.js'

/** One message from or to a worker, without what it carried. */
export interface RecordedFrame {
  /**
   * How long before the worker's end it passed, ms. What is sent or read in a row has one time, that of the first.
   */
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

/** Before it is known how long ago that was. */
type Told = Omit<RecordedFrame, 'ago'> & { readonly at: number }

/** A link of the primary to a worker, with a recorder and a counter on the line. */
export class RecordedLink implements Transport<DownFrame, UpFrame> {
  /** Calls and casts that were sent to the worker, by other workers over direct links too. */
  invoked = 0
  readonly #link: Transport<DownFrame, UpFrame>
  readonly #time: TurnTime
  readonly #recorder: FlightRecorder
  /** What has passed on direct links of the worker, once those have ended: as many as are told. */
  #direct: Told[] = []
  /** When the worker had ended. */
  #end: number | undefined

  constructor(link: Transport<DownFrame, UpFrame>, time: TurnTime) {
    this.#link = link
    this.#time = time
    this.#recorder = new FlightRecorder(time)
  }

  get full(): boolean {
    return this.#link.full
  }

  /** The worker has ended: what is sent to it from now on is nothing that it did. Its own last words may still come. */
  seal(): void {
    this.#end = this.#time.now()
  }

  /** What has passed here last, and what others have told of direct links by now. */
  recent(): RecordedFrame[] {
    const end = this.#end ?? this.#time.now()
    const byPrimary = this.#recorder.recent().map((record) => told(record, { sender: 'primary', receiver: 'worker' }))
    return lastOf([...byPrimary, ...this.#direct]).map(({ at, ...rest }) => ({ ago: Math.max(0, end - at), ...rest }))
  }

  /** A direct link of the worker has ended. `recent` is what has passed there last, as the worker's own end would tell it. */
  linkEnded(peer: WorkerId, recent: readonly FrameRecord[]): void {
    // Whoever tells of the future would push out what is true.
    const now = this.#time.now()
    const direct = recent.map((record) => told(record, { sender: 'worker', receiver: 'peer', peer }))
    this.#direct = lastOf([...this.#direct, ...direct.map((one) => ({ ...one, at: Math.min(one.at, now) }))])
  }

  get held(): number {
    return this.#link.held
  }

  send(frame: DownFrame): void {
    if (frame.kind === 'invoke') this.invoked++
    if (this.#end === undefined) this.#recorder.sent(frame)
    this.#link.send(frame)
  }

  sendNow(frame: DownFrame, options?: SendNowOptions): void {
    if (this.#end === undefined) this.#recorder.sent(frame)
    this.#link.sendNow(frame, options)
  }

  receive(receiver: Receiver<UpFrame>): void {
    this.#link.receive({
      frame: (frame, handle) => {
        this.#recorder.received(frame)
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

interface Ends {
  /** Who has sent what the record calls sent, and who the rest. */
  readonly sender: RecordedFrame['from']
  readonly receiver: RecordedFrame['from']
  readonly peer?: WorkerId
}

function told([at, sent, kind, id, name]: FrameRecord, { sender, receiver, peer }: Ends): Told {
  return { at, from: sent ? sender : receiver, peer, kind, id: id ?? undefined, name: name ?? undefined }
}

/** In the order of time; of one link they are in it already. */
function lastOf(frames: readonly Told[]): Told[] {
  return [...frames].sort((a, b) => a.at - b.at).slice(-RECORDED_FRAMES)
}
