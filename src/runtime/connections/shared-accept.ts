import type { LevelFrame, LiveFrame } from '../../protocol/frames.js'
import type { Incarnation } from '../../protocol/ids.js'
import type { Clock, Timer } from '../clock.js'
import { nextLevel } from './level.js'

export interface SharedAcceptOptions {
  readonly listener: number
  /** False for `os`: everyone accepts as much as it gets. */
  readonly levelled: boolean
  readonly clock: Clock
  readonly tell: (incarnation: Incarnation, frame: LevelFrame) => void
}

interface Member {
  live: number
  brief: number
  room: LiveFrame['room']
  /** Does it answer? One that does not (blocked, frozen) must not hold the others back. */
  answers: boolean
  /** The report that it owes since this question, if one was asked. */
  asked: boolean
  /** The level that it was told last. */
  told: number | undefined
}

/** Between two looks at a listener where somebody waits for the level to rise, ms; doubled while nothing changes. */
const LOOK_FIRST = 25
const LOOK_LAST = 500

/** The level falls at most this often, ms: each change is a message to every worker. */
const FALL_INTERVAL = 20

/**
 * Spreads the loads of one listener whose workers accept for themselves. A worker accepts while it has fewer connections
 * than the level; it says so when it has reached it. The level follows the mean of those who answer: whoever reached the
 * level while another is below it makes us ask that other, and one that gives no answer counts no more until it does.
 */
export class SharedAccept {
  readonly #options: SharedAcceptOptions
  readonly #members = new Map<Incarnation, Member>()
  #level = 0
  #fellAt = Number.NEGATIVE_INFINITY
  #fall: Timer | undefined
  #look: Timer | undefined
  #pause = LOOK_FIRST

  constructor(options: SharedAcceptOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#members.size
  }

  /** From now on it accepts. */
  open(incarnation: Incarnation): void {
    if (this.#members.has(incarnation)) return
    this.#members.set(incarnation, { live: 0, brief: 0, room: 'open', answers: true, asked: false, told: undefined })
    this.#spread()
  }

  /** It is to accept no more: `told` when it can still hear that. */
  close(incarnation: Incarnation, told: boolean): void {
    if (!this.#members.delete(incarnation)) return
    if (told) this.#options.tell(incarnation, { kind: 'level', listener: this.#options.listener, level: 0 })
    if (this.#members.size > 0) this.#spread()
  }

  report(incarnation: Incarnation, { live, room, brief = 0 }: LiveFrame): void {
    const member = this.#members.get(incarnation)
    if (!member) return
    if (member.live !== live || member.room !== room || !member.answers) this.#pause = LOOK_FIRST
    member.live = live
    member.brief = brief
    member.room = room
    member.answers = true
    member.asked = false
    this.#spread()
  }

  end(): void {
    this.#look?.cancel()
    this.#fall?.cancel()
    this.#members.clear()
  }

  #spread(): void {
    const { levelled } = this.#options
    if (levelled) this.#setLevel()
    for (const [incarnation, member] of this.#members) {
      if (member.told !== undefined && (!levelled || member.told === this.#level || !member.answers)) continue
      member.told = this.#level
      this.#tell(incarnation, false)
    }
    if (levelled && [...this.#members.values()].some((member) => this.#waits(member))) this.#lookLater()
  }

  /** It has as many as it may have. One that said so of a lower level may go on, and need not have said that it does. */
  #waits({ room, live }: Member): boolean {
    return room === 'level' && live >= this.#level
  }

  #setLevel(): void {
    // One that is full at any level says nothing about how much the others should have.
    const counted = [...this.#members.values()].filter(({ answers, room }) => answers && room !== 'full')
    const level = nextLevel(this.#level, counted)
    if (level < this.#level) {
      // By steps, which go on when there is nothing more to report.
      this.#fallLater()
      const now = this.#options.clock.now()
      if (now - this.#fellAt < FALL_INTERVAL) return
      this.#fellAt = now
    }
    this.#level = level
  }

  #fallLater(): void {
    this.#fall ??= this.#options.clock.after(
      FALL_INTERVAL,
      () => {
        this.#fall = undefined
        this.#spread()
      },
      { idle: true },
    )
  }

  #tell(incarnation: Incarnation, ask: boolean): void {
    const { listener, levelled, tell } = this.#options
    const level = levelled ? this.#level : null
    tell(incarnation, ask ? { kind: 'level', listener, level, ask } : { kind: 'level', listener, level })
  }

  #lookLater(): void {
    this.#look ??= this.#options.clock.after(this.#pause, () => this.#lookNow(), { idle: true })
  }

  /** Somebody waits: are those below the level alive to take what comes? */
  #lookNow(): void {
    this.#look = undefined
    this.#pause = Math.min(this.#pause * 2, LOOK_LAST)
    for (const [incarnation, member] of this.#members) {
      if (member.room === 'full' || this.#waits(member)) continue
      if (member.asked) member.answers = false
      else {
        member.asked = true
        this.#tell(incarnation, true)
      }
    }
    this.#spread()
  }
}
