import type { FailedStart } from '../../protocol/errors.js'
import type { HealthFrame, LifeUpFrame } from '../../protocol/frames.js'
import type { ProcessRef, WorkerId } from '../../protocol/ids.js'
import { nextTurn } from '../clock.js'
import type { Logger } from '../logger.js'
import type { LaunchSettings } from './child.js'
import type { ClusterEnd } from './events.js'
import { Heartbeat } from './heartbeat.js'
import type { Incarnation, ProcessEnd } from './incarnation.js'
import { nameOf, ProcessWatch, type ProcessWatchOptions } from './process-watch.js'
import { decideRestart, type RestartOptions } from './restart-policy.js'
import { cancelDue, dueEnd, type Slot } from './slot.js'

export interface SlotKeeperOptions extends Omit<ProcessWatchOptions, 'slots'> {
  readonly restart: RestartOptions
  /** 0 up to 1, for the jitter. */
  readonly random: () => number
  readonly logger: Logger
  /** May a slot that lost its process be filled again? Not while the cluster stops. */
  readonly refills: () => boolean
  /** A worker that serves has said how it is. */
  readonly heard: (incarnation: Incarnation, frame: HealthFrame) => void
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
  readonly #heartbeat: Heartbeat
  /** What a slot is filled with. The last reload that succeeded has written it. */
  #settings: LaunchSettings = {}

  constructor(options: SlotKeeperOptions) {
    this.#options = options
    this.#watch = new ProcessWatch({
      ...options,
      slots: {
        becameReady: (incarnation) => this.#becameReady(incarnation),
        left: (incarnation, end) => this.#leave(incarnation, end),
        heard: (incarnation, frame) => {
          this.#heartbeat.heard(incarnation, frame)
          if (this.serves(incarnation)) options.heard(incarnation, frame)
        },
        changed: (incarnation) => this.#changed(incarnation),
      },
    })
    const { launcher, reports } = options
    this.#heartbeat = new Heartbeat({
      ...options,
      isDebugged: () => launcher.isDebugged?.() ?? false,
      serving: () =>
        [...this.slots.values()].map(({ state }) => state.incarnation).filter(({ phase }) => phase === 'ready'),
      changed: (incarnation) => this.#changed(incarnation),
      event: (event) => reports.event('unhealthy', event),
      kill: ({ ref }, verdict) => this.#watch.fence(ref, verdict),
      isReplaced: (incarnation) => this.#isReplaced(incarnation),
    })
  }

  /** Every process whose exit has not been told. */
  get processes(): Incarnation[] {
    return [...this.#watch.incarnations.values()]
  }

  get settings(): LaunchSettings {
    return this.#settings
  }

  /** Its id means it, and it is ready. */
  serves(incarnation: Incarnation): boolean {
    return incarnation.phase === 'ready' && this.slots.get(incarnation.ref.id)?.state.incarnation === incarnation
  }

  receive(ref: ProcessRef, frame: LifeUpFrame): void {
    this.#watch.receive(ref, frame)
  }

  fence(ref: ProcessRef, verdict: string): void {
    this.#watch.fence(ref, verdict)
  }

  /** A new slot, and its first process, on trial: whoever asked decides what its death means. */
  open(id: WorkerId): Incarnation {
    const incarnation = this.#watch.create(id, new Set())
    incarnation.onTrial = true
    this.slots.set(id, { id, state: { kind: 'running', incarnation }, history: [], ports: new Set() })
    this.#watch.launch(incarnation, this.#settings)
    return incarnation
  }

  /** A process that is to take the slot over. When it is ready it stands by; the slot goes on without a thought of it. */
  launchSuccessor(slot: Slot, settings: LaunchSettings): Incarnation {
    const { incarnation } = slot.state
    const ports = incarnation.phase === 'ready' ? incarnation.toInherit : slot.ports
    const successor = this.#watch.create(slot.id, ports)
    this.#watch.launch(successor, settings)
    return successor
  }

  /**
   * From here on every id means its successor, in one step, and what was due in its slot is due no more. A new program
   * (`renewed`) has died of nothing yet: its restarts are counted from zero. Gives the processes that are displaced, who now drain.
   */
  takeOver(successors: readonly Incarnation[], settings: LaunchSettings, renewed: boolean): readonly Incarnation[] {
    this.#settings = settings
    for (const successor of successors) {
      const slot = this.slots.get(successor.ref.id)
      if (!slot) continue
      cancelDue(slot)
      slot.state = { kind: 'running', incarnation: successor }
      if (renewed) slot.history = []
      successor.phase = 'ready'
    }
    const displaced = this.processes.filter((one) => this.slots.get(one.ref.id)?.state.incarnation !== one)
    const draining = displaced.filter(({ phase }) => phase !== 'gone')
    for (const incarnation of draining) incarnation.phase = 'draining'
    for (const incarnation of [...successors, ...draining]) this.#changed(incarnation)
    for (const successor of successors) this.#options.reports.event('ready', nameOf(successor))
    return displaced
  }

  /** The phase that is decided above. */
  drain(incarnation: Incarnation): void {
    if (incarnation.phase === 'gone') return
    incarnation.phase = 'draining'
    this.#changed(incarnation)
  }

  /** Tells of the cluster's end when no worker is left, and none is to come back. */
  giveUpIfDue(): void {
    const end = dueEnd([...this.slots.values()], this.#options.restart.onLimit)
    if (end) this.#options.giveUp(end)
  }

  #becameReady(incarnation: Incarnation): void {
    const slot = this.slots.get(incarnation.ref.id)
    const isCurrent = slot?.state.incarnation === incarnation
    incarnation.phase = isCurrent ? 'ready' : 'standby'
    if (isCurrent) slot.state = { kind: 'running', incarnation }
    this.#changed(incarnation)
    if (isCurrent) this.#options.reports.event('ready', nameOf(incarnation))
  }

  #leave(incarnation: Incarnation, end: ProcessEnd): void {
    const slot = this.slots.get(incarnation.ref.id)
    if (slot?.state.incarnation !== incarnation) return
    if (incarnation.started.fired) slot.ports = incarnation.toInherit
    if (incarnation.intended || incarnation.onTrial || !this.#options.refills())
      slot.state = { kind: 'stopped', incarnation }
    else this.#refill(slot, incarnation, end)
    this.#changed(incarnation)
  }

  /** A slot has lost its process: decide what comes next. */
  #refill(slot: Slot, incarnation: Incarnation, end: ProcessEnd): void {
    const { clock, restart, random, reports } = this.#options
    // Failed is left only by a process that becomes ready.
    if (slot.state.kind === 'failed') return this.#retryLater(slot, incarnation, slot.state.failure)
    const decision = decideRestart(end.event, slot.history, clock.now(), restart, random())
    if (decision.kind === 'leave') {
      slot.state = { kind: 'stopped', incarnation }
      return this.giveUpIfDue()
    }
    slot.history = decision.history
    if (decision.kind === 'limit') return this.#fail(slot, incarnation, end)
    const { attempt, delay } = decision
    const again = (): void => this.#restart(slot)
    // The first restart is immediate, but not inside the report of the exit: who listens should see one after the other.
    const timer = delay === 0 ? nextTurn(clock, again) : clock.after(delay, again)
    slot.state = { kind: 'pausing', incarnation, timer }
    // Told when it can be called off: who listens may stop the cluster.
    reports.event('restart', { ...nameOf(incarnation), attempt, delay })
  }

  #fail(slot: Slot, incarnation: Incarnation, { event, failure }: ProcessEnd): void {
    const { restart, reports } = this.#options
    if (!failure) return
    const restarts = slot.history.length - 1
    const reason = `${failure.reason}, after ${restarts} restarts within ${restart.within} ms`
    this.#retryLater(slot, incarnation, { ...failure, reason })
    reports.event('failed', { ...event, intended: false, restarts })
    this.giveUpIfDue()
  }

  #retryLater(slot: Slot, incarnation: Incarnation, failure: FailedStart): void {
    const { clock, restart } = this.#options
    const timer = clock.after(restart.backoff.max, () => this.#restart(slot))
    slot.state = { kind: 'failed', incarnation, failure, timer }
  }

  #restart(slot: Slot): void {
    const { state } = slot
    const incarnation = this.#watch.create(slot.id, slot.ports)
    slot.state =
      state.kind === 'failed' ? { ...state, incarnation, timer: undefined } : { kind: 'running', incarnation }
    this.#watch.launch(incarnation, this.#settings)
  }

  /** Somebody serves again where it did, or nobody is to. */
  #isReplaced(incarnation: Incarnation): boolean {
    const state = this.slots.get(incarnation.ref.id)?.state
    if (!state || state.kind === 'failed' || state.kind === 'stopped') return true
    return state.incarnation !== incarnation && state.incarnation.phase === 'ready'
  }

  #changed(incarnation: Incarnation): void {
    const slot = this.slots.get(incarnation.ref.id)
    if (slot) this.#options.reports.member(incarnation, { slot, removed: false })
    this.#heartbeat.membersChanged()
  }
}
