import { type CallStage, CallTimeoutError, type TroupeError, WorkerUnavailableError } from '../../protocol/errors.js'
import type { HeldFrame, ProgressFrame } from '../../protocol/frames.js'
import type { Clock } from '../clock.js'
import type { CallName } from './call-name.js'

/** A target's word of a call that takes long. */
export interface Told {
  readonly stage: CallStage
  readonly at: number
  readonly lag: number
}

/**
 * A process whose timers are later than this, ms, has not read its channel for as long: what it knows of a call that waited in
 * the primary is too old to say that it was never sent.
 */
const STALE = 50

/** A call or a stream that has run out of time. */
export interface Late {
  readonly name: CallName
  /** How long it had, ms. */
  readonly timeout: number
  /** When that was over, on the clock. */
  readonly due: number
  /** Of a stream: which of its times that was, and how many items had arrived. */
  readonly stream?: { readonly rule: 'item' | 'idle' | 'total'; readonly items: number }
}

/** What a caller knows of its calls and streams that have no end yet: only of those that take long is there anything to know. */
export class CallEvidence {
  readonly #clock: Clock
  readonly #isOpen: (id: number) => boolean
  /** When it began to wait in the primary for a worker that is starting, while it does. */
  readonly #heldSince = new Map<number, number>()
  /** What its target said of it last. */
  readonly #told = new Map<number, Told>()

  constructor(clock: Clock, isOpen: (id: number) => boolean) {
    this.#clock = clock
    this.#isOpen = isOpen
  }

  /** It waits in the primary, or does so no more. */
  hold({ id, held }: HeldFrame): void {
    if (!held) this.#heldSince.delete(id)
    else if (this.#isOpen(id)) this.#heldSince.set(id, this.#clock.now())
  }

  progress({ at, lag, calls }: ProgressFrame): void {
    for (const { id, stage } of calls) if (this.#isOpen(id)) this.#told.set(id, { stage, at, lag })
  }

  /** It has ended. */
  forget(id: number): void {
    this.#heldSince.delete(id)
    this.#told.delete(id)
  }

  /** As far as is known. When this process was busy, the word that it is not may be in the pipe. */
  isHeld(id: number): boolean {
    return this.#heldSince.has(id)
  }

  /** Does it run, or did it? */
  hasBegun(id: number): boolean {
    return this.#told.get(id)?.stage.kind === 'running'
  }

  /** One that never left the primary's waiting room was certainly not started: another error, and safe to repeat. */
  lateError(id: number, { name, timeout, due, stream }: Late): () => TroupeError {
    const now = this.#clock.now()
    const heldSince = this.#heldSince.get(id)
    const told = this.#told.get(id)
    const { target, method } = name
    if (heldSince !== undefined && now - due <= STALE && !stream?.items) {
      const waited = Math.round(now - heldSince)
      const what = stream ? 'stream' : 'call'
      const reason = `the worker was starting, and was not ready within the ${what}'s deadline (the ${what} waited ${waited} ms for it)`
      return () => new WorkerUnavailableError({ target, method, reason, sent: 'no' })
    }
    const sent = this.hasBegun(id) || stream?.items ? 'yes' : 'maybe'
    const known = told
      ? { stage: told.stage, age: now - told.at, lag: told.lag }
      : { stage: { kind: 'unknown' as const } }
    return () => new CallTimeoutError({ target, method, sent, timeout, ...known, ...(stream && { stream }) })
  }
}
