import { BootError, describeExit, type FailedStart } from '../../protocol/errors.js'
import { type LifeUpFrame, PROTOCOL_VERSION, type WelcomeFrame } from '../../protocol/frames.js'
import type { ProcessRef, WorkerId } from '../../protocol/ids.js'
import type { Clock, Timer } from '../clock.js'
import type { Timeouts } from '../limits.js'
import type { Child, ChildEvents, ChildExit, Launcher } from './child.js'
import type { ClusterEnd, ClusterEvents } from './events.js'
import { Incarnation } from './incarnation.js'
import { describeAddress, type ReadyMode } from './readiness.js'
import { decideRestart, type RestartOptions } from './restart-policy.js'
import type { Slot } from './slot.js'

export interface SlotKeeperOptions {
  readonly ready: ReadyMode
  readonly restart: RestartOptions
  readonly timeouts: Timeouts
  readonly clock: Clock
  /** 0 up to 1, for the jitter. */
  readonly random: () => number
  readonly launcher: Launcher
  readonly reports: SupervisorReports
  /** May a slot that lost its process be filled again? Not during the boot, and not while the cluster stops. */
  readonly refills: () => boolean
  /** The cluster can go on no more, for that reason. */
  readonly giveUp: (end: ClusterEnd) => void
}

/** What the supervisor tells its root, which tells the rest. */
export interface SupervisorReports {
  /** A process was started; its link can be used. */
  launched(ref: ProcessRef, child: Child): void
  /** A process or its slot changed. `gone`: that process lives no more. `removed`: the slot is no more. */
  member(incarnation: Incarnation, change: { readonly slot: Slot; readonly removed: boolean }): void
  /** A process can answer no call any more. Told once per process, before its `exit` event. */
  gone(
    ref: ProcessRef,
    exit: { readonly pid: number; readonly exitCode: number | null; readonly signal: string | null },
  ): void
  event<E extends keyof ClusterEvents>(name: E, detail: ClusterEvents[E]): void
  /** What `join` is answered with. */
  welcome(): WelcomeFrame
  ended(end: ClusterEnd): void
}

/** Between a closed channel and the exit that should follow: then the process gets SIGKILL. */
const EXIT_GRACE = 50

/**
 * Follows every process from its start to its exit, and fills each slot again by the restart policy. What is to be
 * started, replaced or ended on purpose is the supervisor's business.
 */
export class SlotKeeper {
  readonly slots = new Map<WorkerId, Slot>()
  /** Every process that has not exited. */
  readonly incarnations = new Map<number, Incarnation>()
  readonly #options: SlotKeeperOptions
  #lastIncarnation = 0

  constructor(options: SlotKeeperOptions) {
    this.#options = options
  }

  /** A new slot, and its first process. */
  open(id: WorkerId): Incarnation {
    const incarnation = this.#create(id, new Set())
    this.slots.set(id, { id, state: { kind: 'running', incarnation }, next: undefined, history: [], ports: new Set() })
    this.#launch(incarnation)
    return incarnation
  }

  /** A process that takes the slot over when it is ready. */
  launchNext(slot: Slot): Incarnation {
    cancelPause(slot)
    const { incarnation: old } = slot.state
    const next = this.#create(slot.id, new Set(old.phase === 'ready' ? old.seen.listening : slot.ports))
    slot.next = next
    this.#launch(next)
    return next
  }

  /** Starts the slot's process anew, whatever the restart policy says. */
  restart(slot: Slot): void {
    const incarnation = this.#create(slot.id, slot.ports)
    slot.state =
      slot.state.kind === 'failed'
        ? { kind: 'failed', incarnation, timer: undefined }
        : { kind: 'running', incarnation }
    this.#launch(incarnation)
  }

  /** The phases that are decided above: `draining`. */
  drain(incarnation: Incarnation): void {
    if (!incarnation.alive) return
    incarnation.phase = 'draining'
    this.#changed(incarnation)
  }

  /** A frame about the life of a process, from that process. */
  receive(ref: ProcessRef, frame: LifeUpFrame): void {
    const incarnation = this.incarnations.get(ref.incarnation)
    if (!incarnation) return
    switch (frame.kind) {
      case 'hello':
        if (frame.version !== PROTOCOL_VERSION) {
          return this.#giveUp(
            incarnation,
            `speaks version ${frame.version} of the protocol, and the primary version ${PROTOCOL_VERSION}: install one version of troupe for both`,
          )
        }
        incarnation.greeted = true
        return
      case 'join':
        incarnation.methods = frame.methods
        this.#changed(incarnation)
        incarnation.child?.link.send(this.#options.reports.welcome())
        return
      case 'ready':
        if (frame.cause === 'join') incarnation.seen.joined = true
        else incarnation.seen.manual = true
        return this.#checkReady(incarnation)
      case 'load':
        incarnation.connections = frame.connections
        return this.#changed(incarnation)
      case 'drained':
        return incarnation.drained.fire(frame)
      case 'released':
        return incarnation.released.fire()
    }
  }

  #create(id: WorkerId, required: ReadonlySet<string>): Incarnation {
    const incarnation = new Incarnation({ id, incarnation: ++this.#lastIncarnation }, required)
    this.incarnations.set(incarnation.ref.incarnation, incarnation)
    return incarnation
  }

  #launch(incarnation: Incarnation): void {
    const { launcher, clock, timeouts, reports } = this.#options
    try {
      incarnation.child = launcher.launch(incarnation.ref, this.#eventsOf(incarnation))
    } catch (error) {
      // Node refuses some settings by throwing (a uid that we may not take): the same as a process that ended at once.
      clock.nextTurn(() => void this.#exited(incarnation, { code: null, signal: null, error: error as Error }))
      return
    }
    reports.launched(incarnation.ref, incarnation.child)
    reports.event('fork', nameOf(incarnation))
    this.#changed(incarnation)
    incarnation.readyTimer = clock.after(timeouts.ready, () => {
      const missing = incarnation.missing(this.#options.ready).join(', and ')
      this.#giveUp(incarnation, `was not ready within ${timeouts.ready} ms (\`timeouts.ready\`): ${missing}`)
    })
  }

  #eventsOf(incarnation: Incarnation): ChildEvents {
    const { reports } = this.#options
    return {
      online: () => {
        incarnation.seen.online = true
        reports.event('online', nameOf(incarnation))
        this.#checkReady(incarnation)
      },
      listening: (address) => {
        incarnation.seen.listening.add(describeAddress(address))
        reports.event('listening', { ...nameOf(incarnation), address })
        this.#checkReady(incarnation)
      },
      message: (message, handle) => reports.event('message', { ...nameOf(incarnation), message, handle }),
      disconnected: () => this.#disconnected(incarnation),
      exited: (exit) => void this.#exited(incarnation, exit),
    }
  }

  #checkReady(incarnation: Incarnation): void {
    if (incarnation.phase !== 'starting' || incarnation.intended || incarnation.missing(this.#options.ready).length > 0)
      return
    incarnation.phase = 'ready'
    incarnation.readyTimer?.cancel()
    const slot = this.slots.get(incarnation.ref.id)
    if (slot) this.#takeOver(slot, incarnation)
    this.#options.reports.event('ready', nameOf(incarnation))
    incarnation.started.fire('ready')
  }

  /** From here on the id means this incarnation, in one step. */
  #takeOver(slot: Slot, incarnation: Incarnation): void {
    const previous = slot.state.incarnation
    slot.state = { kind: 'running', incarnation }
    slot.next = undefined
    this.#changed(incarnation)
    if (previous !== incarnation) this.drain(previous)
  }

  /** Ends a process that will not become ready, and remembers why. */
  #giveUp(incarnation: Incarnation, verdict: string): void {
    incarnation.verdict = verdict
    incarnation.child?.kill('SIGKILL')
  }

  // ------------------------------------------------------------------------------- the end of a process

  #disconnected(incarnation: Incarnation): void {
    this.#options.reports.event('disconnect', nameOf(incarnation))
    if (incarnation.reaped) return
    incarnation.exitTimer = this.#options.clock.after(EXIT_GRACE, () => incarnation.child?.kill('SIGKILL'))
    // Nothing can be sent to it any more, so the id waits for its successor.
    incarnation.phase = 'gone'
    this.#changed(incarnation)
  }

  /** Its calls learn it now. Its last words may still be in the pipe, and what follows waits for them. */
  async #exited(incarnation: Incarnation, exit: ChildExit): Promise<void> {
    if (incarnation.reaped) return
    incarnation.reaped = true
    incarnation.phase = 'gone'
    incarnation.readyTimer?.cancel()
    incarnation.exitTimer?.cancel()
    this.incarnations.delete(incarnation.ref.incarnation)
    const { reports } = this.#options
    reports.gone(incarnation.ref, { pid: incarnation.pid, exitCode: exit.code, signal: exit.signal })
    this.#changed(incarnation)

    await incarnation.child?.outputRead()
    const output = incarnation.child?.output() ?? ''
    reports.event('exit', {
      ...nameOf(incarnation),
      code: exit.code,
      signal: exit.signal,
      intended: incarnation.intended,
      output,
    })
    const failure = failedStart(incarnation, exit, output)
    if (!incarnation.intended) incarnation.failure = failure
    this.#leaveSlot(incarnation, exit)
    if (!incarnation.started.fired) incarnation.started.fire(failure)
    incarnation.exited.fire(exit)
  }

  #leaveSlot(incarnation: Incarnation, exit: ChildExit): void {
    const slot = this.slots.get(incarnation.ref.id)
    if (!slot) return
    if (slot.next === incarnation) slot.next = undefined
    if (slot.state.incarnation !== incarnation) return
    if (incarnation.started.fired && incarnation.seen.listening.size > 0)
      slot.ports = new Set(incarnation.seen.listening)
    this.#refill(slot, exit)
    this.#changed(incarnation)
  }

  /** A slot has lost its process: decide what comes next. */
  #refill(slot: Slot, exit: ChildExit): void {
    const { incarnation } = slot.state
    if (incarnation.intended || !this.#options.refills()) {
      slot.state = { kind: 'stopped', incarnation }
      return
    }
    // A reload has the successor on its way; if that fails too, the reload comes back here.
    if (slot.next) return
    const { clock, restart, random, reports } = this.#options
    const decision = decideRestart(exit, slot.history, clock.now(), restart, random())
    if (decision.kind === 'leave') {
      slot.state = { kind: 'stopped', incarnation }
      if (this.#everySlot('stopped')) this.#options.giveUp({ reason: 'finished' })
      return
    }
    slot.history = decision.history
    if (decision.kind === 'restart') {
      reports.event('restart', { ...nameOf(incarnation), attempt: decision.attempt, delay: decision.delay })
      const again = (): void => this.restart(slot)
      // The first restart is immediate, but not inside the report of the exit: who listens should see one after the other.
      const timer = decision.delay === 0 ? nextTurn(clock, again) : clock.after(decision.delay, again)
      slot.state = { kind: 'pausing', incarnation, timer }
      return
    }
    this.#fail(slot, incarnation, exit, decision.retryAfter)
  }

  #fail(slot: Slot, incarnation: Incarnation, exit: ChildExit, retryAfter: number): void {
    const { clock, restart, reports } = this.#options
    const output = incarnation.child?.output() ?? ''
    reports.event('failed', {
      ...nameOf(incarnation),
      code: exit.code,
      signal: exit.signal,
      intended: false,
      output,
      restarts: slot.history.length - 1,
    })
    slot.state = { kind: 'failed', incarnation, timer: undefined }
    if (restart.onLimit === 'stop' || this.#everySlot('failed', 'stopped')) {
      const failure = failedStart(incarnation, exit, output)
      const reason = `${failure.reason}, after ${slot.history.length - 1} restarts within ${restart.within} ms`
      return this.#options.giveUp({ reason: 'failed', error: new BootError({ failures: [{ ...failure, reason }] }) })
    }
    slot.state = { kind: 'failed', incarnation, timer: clock.after(retryAfter, () => this.restart(slot)) }
  }

  #everySlot(...kinds: readonly Slot['state']['kind'][]): boolean {
    return [...this.slots.values()].every(({ state }) => kinds.includes(state.kind))
  }

  #changed(incarnation: Incarnation): void {
    const slot = this.slots.get(incarnation.ref.id)
    if (slot) this.#options.reports.member(incarnation, { slot, removed: false })
  }
}

/** No restart is due any more. */
export function cancelPause(slot: Slot): void {
  if (slot.state.kind === 'pausing' || slot.state.kind === 'failed') slot.state.timer?.cancel()
  if (slot.state.kind === 'pausing') slot.state = { kind: 'stopped', incarnation: slot.state.incarnation }
}

function failedStart(incarnation: Incarnation, exit: ChildExit, output: string): FailedStart {
  const unready = incarnation.started.fired ? '' : ' before it was ready'
  const ending = exit.error
    ? `could not be started: ${exit.error.message}`
    : `${describeExit(exit.code, exit.signal)}${unready}`
  return {
    ...incarnation.ref,
    pid: incarnation.pid || undefined,
    exitCode: exit.code,
    signal: exit.signal,
    reason: incarnation.verdict ?? ending,
    output,
  }
}

function nameOf(incarnation: Incarnation): ProcessRef & { pid: number } {
  return { ...incarnation.ref, pid: incarnation.pid }
}

function nextTurn(clock: Clock, run: () => void): Timer {
  let cancelled = false
  clock.nextTurn(() => {
    if (!cancelled) run()
  })
  return {
    cancel() {
      cancelled = true
    },
  }
}
