import { LONGEST_NAME, RECORDED_FRAMES } from '../../protocol/contract.js'
import type { DownFrame, FrameRecord, PeerFrame, UpFrame } from '../../protocol/frames.js'
import type { Clock } from '../clock.js'

/** Frames that only say how things stand, several times a second: they would push out those that say what was done. */
const UNTOLD: ReadonlySet<string> = new Set<(DownFrame | UpFrame | PeerFrame)['kind']>([
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
  'open',
  'leave',
  'left',
])

type Recordable = DownFrame | UpFrame | PeerFrame

interface Entry {
  at: number
  sent: boolean
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
 * The last frames that passed on one link, as one of its ends has seen them. The primary keeps those between it and each worker,
 * and a worker those between it and another, so that they survive the other end whatever that dies of. Entries are used again
 * and again, and hold nothing of a frame but names and numbers.
 */
export class FlightRecorder {
  readonly #time: TurnTime
  readonly #ring: Entry[] = []
  #count = 0

  constructor(time: TurnTime) {
    this.#time = time
  }

  sent(frame: Recordable): void {
    this.#add(true, frame)
  }

  received(frame: Recordable): void {
    this.#add(false, frame)
  }

  #add(sent: boolean, frame: Recordable): void {
    const { kind, id, route, receipt, ref, method, channel }: Named = frame as Named
    // Nearly all are one of these two.
    if (kind !== 'invoke' && kind !== 'result' && UNTOLD.has(kind)) return
    const index = this.#count++ % RECORDED_FRAMES
    let entry = this.#ring[index]
    if (!entry) {
      entry = { at: 0, sent, kind, id: undefined, name: undefined }
      this.#ring[index] = entry
    }
    entry.at = this.#time.now()
    entry.sent = sent
    entry.kind = kind
    entry.id = id ?? route ?? receipt ?? ref
    entry.name = method ?? channel
  }

  /** The oldest first. */
  recent(): FrameRecord[] {
    const oldest = this.#count % RECORDED_FRAMES
    const entries =
      this.#count < RECORDED_FRAMES ? this.#ring : [...this.#ring.slice(oldest), ...this.#ring.slice(0, oldest)]
    return entries.map(({ at, sent, kind, id, name }) => [
      at,
      sent,
      kind,
      id ?? null,
      name?.slice(0, LONGEST_NAME) ?? null,
    ])
  }
}
