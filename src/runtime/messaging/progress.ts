import type { CallStage } from '../../protocol/errors.js'
import type { ProgressFrame } from '../../protocol/frames.js'
import type { Clock } from '../clock.js'
import type { Numbered } from '../numbered.js'
import type { Letter, Mailbox } from './mailbox.js'

/** How old a call is when its caller is told of it first, ms; then at twice that age, and so on. */
const FIRST = 250

/** How many of the calls that run an entry names that waits behind them. */
const NAMED = 3

export interface ProgressOptions {
  readonly clock: Clock
  readonly mailbox: Mailbox
  /** Those that somebody waits for, by route. */
  readonly calls: Numbered<Watched>
  readonly tell: (frame: ProgressFrame) => void
}

/** A call that somebody waits for. */
export interface Watched extends Letter {
  readonly acceptedAt: number
  readonly startedAt: number | undefined
  due: number
}

/**
 * Tells callers what has become of calls that take long, while this process still can: what it said last is all that anybody
 * will know when it does not answer any more. A call that is answered soon costs nothing.
 */
export class Progress {
  readonly #options: ProgressOptions
  #ticking = false

  constructor(options: ProgressOptions) {
    this.#options = options
  }

  accepted(call: Watched): void {
    call.due = call.acceptedAt + FIRST
    if (!this.#ticking) this.#tickLater()
  }

  #tickLater(): void {
    this.#ticking = true
    const { clock } = this.#options
    const due = clock.now() + FIRST
    clock.after(FIRST, () => this.#tick(clock.now() - due), { idle: true })
  }

  #tick(lag: number): void {
    const { clock, mailbox, calls: watched, tell } = this.#options
    this.#ticking = false
    if (watched.size === 0) return
    this.#tickLater()
    const now = clock.now()
    const due = watched.values().filter((call) => call.due <= now)
    if (due.length === 0) return
    const waits = due.some(({ startedAt }) => startedAt === undefined)
    const places = new Map(waits ? [...mailbox.waiting].map((letter, index) => [letter, index + 1]) : [])
    const behind = mailbox.runningMethods.slice(0, NAMED)
    const calls = due.map((call) => {
      call.due = nextDue(call, now)
      return { id: call.route as number, stage: stageOf(call, now, places, behind) }
    })
    tell({ kind: 'progress', at: now, lag: Math.max(0, lag), calls })
  }
}

/** Twice the age at which it was due, not at which this came to it: else each delay would be doubled too. */
function nextDue({ acceptedAt, due }: Watched, now: number): number {
  let age = due - acceptedAt
  while (acceptedAt + age <= now) age *= 2
  return acceptedAt + age
}

type Places = ReadonlyMap<Letter, number>

function stageOf(call: Watched, now: number, places: Places, behind: readonly string[]): CallStage {
  if (call.startedAt !== undefined) return { kind: 'running', ms: now - call.startedAt }
  return { kind: 'queued', position: places.get(call) ?? 0, behind, ms: now - call.acceptedAt }
}
