import { AsyncResource } from 'node:async_hooks'
import type { Clock } from '../runtime/clock.js'
import type { Random } from './random.js'
import type { EventOwner, VirtualEvent, VirtualTime } from './virtual-time.js'

/** A time in which a process did not run, and then did again. */
export interface Stall {
  readonly from: number
  /** Infinity while it lasts. */
  to: number
}

/**
 * A process as far as its event loop goes: it runs what is due, unless it is frozen, blocked or dead. While it does not run,
 * what is due waits, in order; a dead one does nothing any more, however many of its promises are still open.
 */
export class SimulatedLoop implements EventOwner {
  readonly name: string
  readonly clock: Clock
  readonly #time: VirtualTime
  #frozen = false
  #blockedUntil = 0
  #dead = false
  #deferred: VirtualEvent[] = []
  readonly stalls: Stall[] = []

  constructor(name: string, time: VirtualTime, random: Random) {
    this.name = name
    this.#time = time
    this.clock = loopClock(this, time, random.next())
  }

  get runs(): boolean {
    return !this.#frozen && !this.#dead && this.#time.now >= this.#blockedUntil
  }

  get dead(): boolean {
    return this.#dead
  }

  get frozen(): boolean {
    return this.#frozen
  }

  defer(event: VirtualEvent): void {
    if (this.#dead) event.state = 'over'
    else this.#deferred.push(event)
  }

  /** SIGSTOP. */
  freeze(): void {
    if (this.#frozen || this.#dead) return
    this.#frozen = true
    this.#stall()
  }

  /** SIGCONT. */
  thaw(): void {
    if (!this.#frozen) return
    this.#frozen = false
    this.#resume()
  }

  /** Its loop is busy for so long, from now: with one piece of JavaScript, or a synchronous call. */
  block(ms: number): void {
    if (this.#dead) return
    const until = Math.max(this.#blockedUntil, this.#time.now + ms)
    this.#blockedUntil = until
    this.#stall()
    this.#time.at(until, MACHINE, () => this.#resume(), { what: `the end of a block of ${this.name}` })
  }

  die(): void {
    this.#dead = true
    this.#endStall()
    for (const event of this.#deferred) event.state = 'over'
    this.#deferred = []
    this.#time.forget(this)
  }

  /** Runs when what is under way has run, at the same time: a step of its own. */
  soon(what: string, run: () => void): void {
    this.#time.at(this.#time.now, this, run, { what })
  }

  #stall(): void {
    if (this.stalls.at(-1)?.to !== Number.POSITIVE_INFINITY)
      this.stalls.push({ from: this.#time.now, to: Number.POSITIVE_INFINITY })
  }

  #endStall(): void {
    const stall = this.stalls.at(-1)
    if (stall?.to === Number.POSITIVE_INFINITY) stall.to = this.#time.now
  }

  #resume(): void {
    if (!this.runs) return
    this.#endStall()
    const deferred = this.#deferred
    this.#deferred = []
    this.#time.resume(deferred)
  }
}

/** The machine under the processes, which always runs: what its kernel does, and what befalls them. */
export const MACHINE: EventOwner = { name: 'machine', runs: true, defer() {} }

/**
 * A process's clock over virtual time. Timers are as node's: whole milliseconds, at least one, the fraction cut off, so that
 * one may fire a little early by the clock; and then `late`, a part of a millisecond that is the process's own, so that
 * equal timers of two processes fire in either order, and those of one process in the order in which they were set. What they
 * run belongs to the call that set them, as in node.
 */
function loopClock(loop: SimulatedLoop, time: VirtualTime, late: number): Clock {
  const after: Clock['after'] = (ms, run, { idle = false } = {}) => {
    if (Number.isNaN(ms)) throw new RangeError('A timer was set for NaN ms')
    const due = time.now + Math.max(1, Math.trunc(ms)) + late
    const event = time.at(due, loop, inItsCall(run), { idle, phase: 'timer', what: `a timer of ${ms} ms` })
    return { cancel: () => time.cancel(event) }
  }
  return {
    now: () => time.now,
    after,
    at: (due, task) => after(Math.ceil(due - time.now), () => task.due()),
    nextTurn: (run) => void time.at(time.now, loop, inItsCall(run), { phase: 'immediate', what: 'a turn' }),
  }
}

/** `AsyncResource.bind` costs ten times as much. */
function inItsCall(run: () => void): () => void {
  const resource = new AsyncResource('Simulated')
  return () => resource.runInAsyncScope(run)
}
