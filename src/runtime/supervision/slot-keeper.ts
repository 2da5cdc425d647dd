import { BootError } from '../../protocol/errors.js'
import type { LifeUpFrame } from '../../protocol/frames.js'
import type { ProcessRef, WorkerId } from '../../protocol/ids.js'
import { nextTurn } from '../clock.js'
import type { ChildExit } from './child.js'
import type { ClusterEnd } from './events.js'
import type { Incarnation } from './incarnation.js'
import { nameOf, ProcessWatch, type ProcessWatchOptions } from './process-watch.js'
import { decideRestart, type RestartOptions } from './restart-policy.js'
import type { Slot } from './slot.js'

export interface SlotKeeperOptions extends Omit<ProcessWatchOptions, 'slots'> {
  readonly restart: RestartOptions
  /** 0 up to 1, for the jitter. */
  readonly random: () => number
  /** May a slot that lost its process be filled again? Not while the cluster stops. */
  readonly refills: () => boolean
  /** The cluster can go on no more, for that reason. */
  readonly giveUp: (end: ClusterEnd) => void
}

/**
 * Decides which process each id means, and fills a slot again by the restart policy when its process has died. What is to
 * be started, replaced or ended on purpose is the supervisor's business.
 */
export class SlotKeeper {
  readonly slots = new Map<WorkerId, Slot>()
  readonly #options: SlotKeeperOptions
  readonly #watch: ProcessWatch

  constructor(options: SlotKeeperOptions) {
    this.#options = options
    this.#watch = new ProcessWatch({
      ...options,
      slots: {
        becameReady: (incarnation) => this.#takeOver(incarnation),
        left: (incarnation, exit) => this.#leave(incarnation, exit),
        changed: (incarnation) => this.#changed(incarnation),
      },
    })
  }

  /** Every process whose exit has not been told. */
  get processes(): Incarnation[] {
    return [...this.#watch.incarnations.values()]
  }

  receive(ref: ProcessRef, frame: LifeUpFrame): void {
    this.#watch.receive(ref, frame)
  }

  /** A new slot, and its first process, on trial: whoever asked decides what its death means. */
  open(id: WorkerId): Incarnation {
    const incarnation = this.#watch.create(id, new Set())
    incarnation.onTrial = true
    this.slots.set(id, { id, state: { kind: 'running', incarnation }, next: undefined, history: [], ports: new Set() })
    this.#watch.launch(incarnation)
    return incarnation
  }

  /** A process that takes the slot over when it is ready. A restart that was due waits for how that goes. */
  launchNext(slot: Slot): Incarnation {
    const { state } = slot
    if (state.kind === 'pausing') {
      state.timer.cancel()
      slot.state = { kind: 'running', incarnation: state.incarnation }
    } else cancelRetry(slot)
    const ports = state.incarnation.phase === 'ready' ? state.incarnation.toInherit : slot.ports
    slot.next = this.#watch.create(slot.id, ports)
    this.#watch.launch(slot.next)
    return slot.next
  }

  /** The successor has failed: if the slot has no process either, what was due before is due again. */
  resume(slot: Slot): void {
    const { state } = slot
    if (state.incarnation.alive || !this.#options.refills()) return
    if (state.kind === 'failed') this.#retryLater(slot, state.incarnation)
    else if (state.kind === 'running' && state.incarnation.exit)
      this.#refill(slot, state.incarnation, state.incarnation.exit)
  }

  /** The phase that is decided above. */
  drain(incarnation: Incarnation): void {
    if (incarnation.phase === 'gone') return
    incarnation.phase = 'draining'
    this.#changed(incarnation)
  }

  /** From here on the id means this incarnation, in one step. */
  #takeOver(incarnation: Incarnation): void {
    const slot = this.slots.get(incarnation.ref.id)
    if (!slot) return
    const previous = slot.state.incarnation
    if (slot.state.kind === 'pausing') slot.state.timer.cancel()
    cancelRetry(slot)
    slot.state = { kind: 'running', incarnation }
    if (slot.next === incarnation) slot.next = undefined
    this.#changed(incarnation)
    if (previous !== incarnation) this.drain(previous)
  }

  #leave(incarnation: Incarnation, exit: ChildExit): void {
    incarnation.exit = exit
    const slot = this.slots.get(incarnation.ref.id)
    if (!slot) return
    if (slot.next === incarnation) slot.next = undefined
    if (slot.state.incarnation !== incarnation) return
    if (incarnation.started.fired) slot.ports = incarnation.toInherit
    if (incarnation.intended || incarnation.onTrial || !this.#options.refills())
      slot.state = { kind: 'stopped', incarnation }
    // With a successor on its way the slot waits for it; `resume` comes back here if that fails too.
    else if (!slot.next) this.#refill(slot, incarnation, exit)
    this.#changed(incarnation)
  }

  /** A slot has lost its process: decide what comes next. */
  #refill(slot: Slot, incarnation: Incarnation, exit: ChildExit): void {
    const { clock, restart, random, reports } = this.#options
    // Failed is left only by a process that becomes ready.
    if (slot.state.kind === 'failed') return this.#retryLater(slot, incarnation)
    if (incarnation.counted) return this.#restart(slot)
    const decision = decideRestart(exit, slot.history, clock.now(), restart, random())
    if (decision.kind === 'leave') {
      slot.state = { kind: 'stopped', incarnation }
      if (this.#everySlot('stopped')) this.#options.giveUp({ reason: 'finished' })
      return
    }
    slot.history = decision.history
    incarnation.counted = true
    if (decision.kind === 'limit') return this.#fail(slot, incarnation, exit)
    const { attempt, delay } = decision
    reports.event('restart', { ...nameOf(incarnation), attempt, delay })
    const again = (): void => this.#restart(slot)
    // The first restart is immediate, but not inside the report of the exit: who listens should see one after the other.
    const timer = delay === 0 ? nextTurn(clock, again) : clock.after(delay, again)
    slot.state = { kind: 'pausing', incarnation, timer }
  }

  #fail(slot: Slot, incarnation: Incarnation, exit: ChildExit): void {
    const { restart, reports } = this.#options
    const { failure } = incarnation
    const restarts = slot.history.length - 1
    const { code, signal } = exit
    reports.event('failed', {
      ...nameOf(incarnation),
      code,
      signal,
      intended: false,
      output: failure?.output ?? '',
      restarts,
    })
    slot.state = { kind: 'failed', incarnation, timer: undefined }
    if (failure && (restart.onLimit === 'stop' || this.#everySlot('failed', 'stopped'))) {
      const reason = `${failure.reason}, after ${restarts} restarts within ${restart.within} ms`
      return this.#options.giveUp({ reason: 'failed', error: new BootError({ failures: [{ ...failure, reason }] }) })
    }
    this.#retryLater(slot, incarnation)
  }

  #retryLater(slot: Slot, incarnation: Incarnation): void {
    const { clock, restart } = this.#options
    slot.state = { kind: 'failed', incarnation, timer: clock.after(restart.backoff.max, () => this.#restart(slot)) }
  }

  #restart(slot: Slot): void {
    const incarnation = this.#watch.create(slot.id, slot.ports)
    slot.state =
      slot.state.kind === 'failed'
        ? { kind: 'failed', incarnation, timer: undefined }
        : { kind: 'running', incarnation }
    this.#watch.launch(incarnation)
  }

  #everySlot(...kinds: readonly Slot['state']['kind'][]): boolean {
    return [...this.slots.values()].every(({ state }) => kinds.includes(state.kind))
  }

  #changed(incarnation: Incarnation): void {
    const slot = this.slots.get(incarnation.ref.id)
    if (slot) this.#options.reports.member(incarnation, { slot, removed: false })
  }
}

/** The slot is not filled again: no restart is due any more. */
export function abandon(slot: Slot): void {
  if (slot.state.kind === 'pausing') {
    slot.state.timer.cancel()
    slot.state = { kind: 'stopped', incarnation: slot.state.incarnation }
  }
  cancelRetry(slot)
}

function cancelRetry(slot: Slot): void {
  if (slot.state.kind !== 'failed') return
  slot.state.timer?.cancel()
  slot.state = { ...slot.state, timer: undefined }
}
