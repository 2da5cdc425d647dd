import type { Meeting, UpFrame } from '../../../protocol/frames.js'
import type { Incarnation, ProcessRef } from '../../../protocol/ids.js'
import type { Clock, Timer } from '../../clock.js'
import type { PeerTransport } from './peer-link.js'

/** Makes links: over unix sockets, or in a simulation. */
export interface DirectPort {
  /** Listens for one that knows the secret. `listening` is told once; then `opened`, or nothing when `cancel` comes first. */
  listen(meeting: Meeting, told: { listening(ok: boolean): void; opened(link: PeerTransport): void }): () => void
  /** Goes there. `opened` is told before the other side has accepted; nothing comes of it when the link ends before it does. */
  dial(meeting: Meeting, told: { opened(link: PeerTransport): void; failed(): void }): () => void
}

export interface MeetingsOptions {
  readonly port: DirectPort
  readonly clock: Clock
  readonly send: (frame: UpFrame) => void
  readonly opened: (link: PeerTransport, meeting: Meeting, dialled: boolean) => void
  /** One that was under way has come to nothing. */
  readonly failed: () => void
}

interface UnderWay {
  readonly meeting: Meeting
  readonly dialled: boolean
  readonly timer: Timer
  end(): void
}

/** How long a meeting may take, from either side's word of it, ms. */
const MEETING = 2_000
/** After one that failed the next is asked for this much later, and twice that after the next, ms. */
const PAUSE = { min: 1_000, max: 60_000 } as const

/** This worker's part in being brought together with others by the primary: asks, listens, dials. */
export class Meetings {
  readonly #options: MeetingsOptions
  /** When it may be asked for again, and how long it was last told to wait. Until then the answer is awaited. */
  readonly #asked = new Map<Incarnation, { until: number; pause: number }>()
  readonly #underWay = new Map<number, UnderWay>()
  #closed = false

  constructor(options: MeetingsOptions) {
    this.#options = options
  }

  /** Some that this side has dialled may still come to be. */
  get isDialling(): boolean {
    return [...this.#underWay.values()].some(({ dialled }) => dialled)
  }

  /** A link to there would be used. */
  want({ incarnation }: ProcessRef): void {
    if (this.#closed) return
    const now = this.#options.clock.now()
    const asked = this.#asked.get(incarnation)
    if (asked && now < asked.until) return
    const pause = Math.min(PAUSE.max, asked ? asked.pause * 2 : PAUSE.min)
    this.#asked.set(incarnation, { until: now + Math.max(pause, 2 * MEETING), pause })
    this.#options.send({ kind: 'link', incarnation })
  }

  /** Nothing came of it, or it is over: the next is asked for after a while. */
  askLater(incarnation: Incarnation): void {
    const asked = this.#asked.get(incarnation)
    if (asked) asked.until = this.#options.clock.now() + asked.pause
  }

  /** That process is dead. What it may have written to a link that is dialled is read all the same. */
  forget(incarnation: Incarnation): void {
    this.#asked.delete(incarnation)
    this.#callOff((meeting) => meeting.with.incarnation === incarnation)
  }

  /** Somebody is sent here. */
  listen(meeting: Meeting): void {
    const { port, send } = this.#options
    if (this.#closed) return send({ kind: 'met', meeting: meeting.meeting, listens: false })
    this.#begin(meeting, false, () =>
      port.listen(meeting, {
        listening: (listens) => {
          if (!listens) this.#finish(meeting.meeting)
          send({ kind: 'met', meeting: meeting.meeting, listens })
        },
        opened: (link) => this.#opened(link, meeting, false),
      }),
    )
  }

  /** The other one listens. */
  dial(meeting: Meeting): void {
    this.#begin(meeting, true, () =>
      this.#options.port.dial(meeting, {
        opened: (link) => this.#opened(link, meeting, true),
        failed: () => this.#fail(meeting),
      }),
    )
  }

  /** No new ones; what is only listened for is called off, what is dialled comes to be or not. */
  close(): void {
    this.#closed = true
    this.#callOff(() => true)
  }

  /** The process ends. */
  end(): void {
    this.#closed = true
    for (const [number, { end }] of [...this.#underWay]) {
      this.#finish(number)
      end()
    }
  }

  /** Nobody is listened for any more. */
  #callOff(matches: (meeting: Meeting) => boolean): void {
    for (const [number, { end, dialled, meeting }] of [...this.#underWay]) {
      if (dialled || !matches(meeting)) continue
      this.#finish(number)
      end()
      this.#options.send({ kind: 'unlinked', meeting: number })
    }
  }

  #begin(meeting: Meeting, dialled: boolean, start: () => () => void): void {
    const timer: Timer = this.#options.clock.after(MEETING, () => this.#fail(meeting), { idle: true })
    let cancel = (): void => {}
    const end = (): void => cancel()
    this.#underWay.set(meeting.meeting, { meeting, end, timer, dialled })
    cancel = start()
  }

  #opened(link: PeerTransport, meeting: Meeting, dialled: boolean): void {
    // Called off: the other one learns it by the end of the link.
    if (!this.#underWay.has(meeting.meeting)) return link.close()
    this.#finish(meeting.meeting)
    this.#options.opened(link, meeting, dialled)
  }

  #fail(meeting: Meeting): void {
    const underWay = this.#underWay.get(meeting.meeting)
    if (!underWay) return
    this.#finish(meeting.meeting)
    underWay.end()
    this.askLater(meeting.with.incarnation)
    this.#options.send({ kind: 'unlinked', meeting: meeting.meeting })
    this.#options.failed()
  }

  #finish(number: number): void {
    this.#underWay.get(number)?.timer.cancel()
    this.#underWay.delete(number)
  }
}
