import type { CallStage } from '../../protocol/errors.js'
import type { ProgressFrame } from '../../protocol/frames.js'
import type { Clock } from '../clock.js'
import type { Letter, Mailbox } from './mailbox.js'

/** How old a call is when its caller is told of it first, ms; then at twice that age, and so on. */
const FIRST = 250

/** How many of the calls that run an entry names that waits behind them. */
const NAMED = 3

export interface ProgressOptions {
  readonly clock: Clock
  readonly mailbox: Mailbox
  readonly tell: (frame: ProgressFrame) => void
}

/** A call that somebody waits for. */
interface Watched {
  readonly id: number
  readonly letter: Letter
  readonly acceptedAt: number
  startedAt: number | undefined
  due: number
}

/**
 * Tells callers what has become of calls that take long, while this process still can: what it said last is all that anybody
 * will know when it does not answer any more. A call that is answered soon costs an entry in a map and nothing else.
 */
export class Progress {
  readonly #options: ProgressOptions
  readonly #calls = new Map<number, Watched>()
  #ticking = false

  constructor(options: ProgressOptions) {
    this.#options = options
  }

  accepted(id: number, letter: Letter): void {
    const now = this.#options.clock.now()
    this.#calls.set(id, { id, letter, acceptedAt: now, startedAt: undefined, due: now + FIRST })
    this.#tickLater()
  }

  started(id: number): void {
    const call = this.#calls.get(id)
    if (call) call.startedAt = this.#options.clock.now()
  }

  ended(id: number): void {
    this.#calls.delete(id)
  }

  #tickLater(): void {
    if (this.#ticking) return
    this.#ticking = true
    const { clock } = this.#options
    const due = clock.now() + FIRST
    clock.after(FIRST, () => this.#tick(clock.now() - due), { idle: true })
  }

  #tick(lag: number): void {
    this.#ticking = false
    if (this.#calls.size === 0) return
    this.#tickLater()
    const { clock, mailbox, tell } = this.#options
    const now = clock.now()
    const due = [...this.#calls.values()].filter((call) => call.due <= now)
    if (due.length === 0) return
    const waits = due.some(({ startedAt }) => startedAt === undefined)
    const places = new Map(waits ? [...mailbox.waiting].map((letter, index) => [letter, index + 1]) : [])
    const behind = mailbox.runningMethods.slice(0, NAMED)
    const calls = due.map((call) => {
      call.due = nextDue(call, now)
      return { id: call.id, stage: stageOf(call, now, places, behind) }
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
  return { kind: 'queued', position: places.get(call.letter) ?? 0, behind, ms: now - call.acceptedAt }
}
