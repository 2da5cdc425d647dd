import type { DownFrame, UpFrame } from '../../protocol/frames.js'
import type { Receiver, Transport } from '../../protocol/transport.js'
import type { Clock } from '../clock.js'

/** One message between the primary and a worker, without what it carried. */
export interface RecordedFrame {
  /** How long before the worker's end it passed the primary, ms. */
  readonly ago: number
  readonly from: 'primary' | 'worker'
  /** What kind of message: `invoke` (a call to the worker), `result`, `call` (one that it makes), `publish`, `drain`, … */
  readonly kind: string
  /** The number that a question and its answer share. */
  readonly id: number | undefined
  /** The method that is called, or the channel. */
  readonly name: string | undefined
}

/** How many of a worker's last frames are kept: enough for what it was doing, 5 kB per worker. */
export const RECORDED_FRAMES = 64

/** Frames that only say how things stand, several times a second: they would push out those that say what was done. */
const UNTOLD: ReadonlySet<string> = new Set<(DownFrame | UpFrame)['kind']>([
  'health',
  'probe',
  'progress',
  'load',
  'live',
  'level',
  'member',
  'event',
  'candidates',
  'busy',
  'gone',
  'fence',
])

interface Entry {
  at: number
  from: RecordedFrame['from']
  kind: string
  id: number | undefined
  name: string | undefined
}

const DONE = Promise.resolve()

/** The time, read once for all frames that are handled together: a reading costs as much as all the rest of a record. */
export class TurnTime {
  readonly #clock: Clock
  readonly #forget = (): void => {
    this.#now = undefined
  }
  #now: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    if (this.#now === undefined) {
      this.#now = this.#clock.now()
      void DONE.then(this.#forget)
    }
    return this.#now
  }
}

/** The fields by which frames are told apart, whichever of them a kind has. */
interface Named {
  readonly kind: string
  readonly id?: number | undefined
  readonly route?: number | undefined
  readonly receipt?: number | undefined
  readonly ref?: number | undefined
  readonly method?: string | undefined
  readonly channel?: string | undefined
}

/**
 * The last frames that passed between the primary and one worker. The primary keeps them, so that they survive the worker
 * whatever it dies of. Entries are used again and again, and hold nothing of a frame but names and numbers.
 */
export class FlightRecorder {
  readonly #time: TurnTime
  readonly #ring: Entry[] = []
  #count = 0

  constructor(time: TurnTime) {
    this.#time = time
  }

  add(from: RecordedFrame['from'], frame: DownFrame | UpFrame): void {
    const { kind, id, route, receipt, ref, method, channel }: Named = frame as Named
    if (UNTOLD.has(kind)) return
    const index = this.#count++ % RECORDED_FRAMES
    let entry = this.#ring[index]
    if (!entry) {
      entry = { at: 0, from, kind, id: undefined, name: undefined }
      this.#ring[index] = entry
    }
    entry.at = this.#time.now()
    entry.from = from
    entry.kind = kind
    entry.id = id ?? route ?? receipt ?? ref
    entry.name = method ?? channel
  }

  /** The oldest first. */
  recent(): RecordedFrame[] {
    const now = this.#time.now()
    const oldest = this.#count % RECORDED_FRAMES
    const entries =
      this.#count < RECORDED_FRAMES ? this.#ring : [...this.#ring.slice(oldest), ...this.#ring.slice(0, oldest)]
    return entries.map(({ at, from, kind, id, name }) => ({ ago: now - at, from, kind, id, name }))
  }
}

/** A link of the primary to a worker, with a recorder and a counter on the line. */
export class RecordedLink implements Transport<DownFrame, UpFrame> {
  /** Calls and casts that were sent to the worker, by other workers over direct links too. */
  invoked = 0
  readonly #link: Transport<DownFrame, UpFrame>
  readonly #recorder: FlightRecorder

  constructor(link: Transport<DownFrame, UpFrame>, recorder: FlightRecorder) {
    this.#link = link
    this.#recorder = recorder
  }

  get full(): boolean {
    return this.#link.full
  }

  /** What has passed here last. */
  recent(): RecordedFrame[] {
    return this.#recorder.recent()
  }

  get held(): number {
    return this.#link.held
  }

  send(frame: DownFrame): void {
    if (frame.kind === 'invoke') this.invoked++
    this.#recorder.add('primary', frame)
    this.#link.send(frame)
  }

  sendNow(frame: DownFrame, options?: { readonly handle?: unknown; readonly written?: () => void }): void {
    this.#recorder.add('primary', frame)
    this.#link.sendNow(frame, options)
  }

  receive(receiver: Receiver<UpFrame>): void {
    this.#link.receive({
      frame: (frame, handle) => {
        this.#recorder.add('worker', frame)
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
