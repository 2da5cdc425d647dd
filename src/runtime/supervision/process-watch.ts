import { describeExit, type FailedStart } from '../../protocol/errors.js'
import { type LifeUpFrame, PROTOCOL_VERSION, type WelcomeFrame } from '../../protocol/frames.js'
import type { ProcessRef, WorkerId } from '../../protocol/ids.js'
import type { Clock } from '../clock.js'
import type { Timeouts } from '../limits.js'
import type { Child, ChildEvents, ChildExit, Launcher } from './child.js'
import type { ClusterEnd, ClusterEvents } from './events.js'
import { Incarnation } from './incarnation.js'
import { describeAddress, type ReadyMode } from './readiness.js'
import type { Slot } from './slot.js'

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

export interface ProcessWatchOptions {
  readonly ready: ReadyMode
  readonly timeouts: Timeouts
  readonly clock: Clock
  readonly launcher: Launcher
  readonly reports: SupervisorReports
  readonly slots: SlotSide
}

/** What the keeper of the slots is told of a process. */
export interface SlotSide {
  /** It is ready: the id may mean it from now on. */
  becameReady(incarnation: Incarnation): void
  /** It has exited, and all it had to say has been read. */
  left(incarnation: Incarnation, exit: ChildExit): void
  /** Something that others see of it has changed. */
  changed(incarnation: Incarnation): void
}

/** Between a closed channel and the exit that should follow: then the process gets SIGKILL. */
const EXIT_GRACE = 50

/** Starts processes, and follows each to its end. What a start or an end means for a slot is decided by the slot keeper. */
export class ProcessWatch {
  /** Every process whose exit has not been told. */
  readonly incarnations = new Map<number, Incarnation>()
  readonly #options: ProcessWatchOptions
  #lastIncarnation = 0

  constructor(options: ProcessWatchOptions) {
    this.#options = options
  }

  create(id: WorkerId, required: ReadonlySet<string>): Incarnation {
    const incarnation = new Incarnation({ id, incarnation: ++this.#lastIncarnation }, required)
    this.incarnations.set(incarnation.ref.incarnation, incarnation)
    return incarnation
  }

  launch(incarnation: Incarnation): void {
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
    this.#options.slots.changed(incarnation)
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
        reports.event('listening', { ...nameOf(incarnation), address })
      },
      message: (message, handle) => reports.event('message', { ...nameOf(incarnation), message, handle }),
      disconnected: () => this.#disconnected(incarnation),
      exited: (exit) => void this.#exited(incarnation, exit),
    }
  }

  #checkReady(incarnation: Incarnation): void {
    if (incarnation.phase !== 'starting' || incarnation.intended || incarnation.verdict !== undefined) return
    if (incarnation.missing(this.#options.ready).length > 0) return
    incarnation.phase = 'ready'
    incarnation.readyTimer?.cancel()
    this.#options.slots.becameReady(incarnation)
    this.#options.reports.event('ready', nameOf(incarnation))
    incarnation.started.fire('ready')
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
        this.#options.slots.changed(incarnation)
        incarnation.child?.link.send(this.#options.reports.welcome())
        return
      case 'ready':
        if (frame.cause === 'join') incarnation.seen.joined = true
        else incarnation.seen.manual = true
        return this.#checkReady(incarnation)
      case 'listens':
        incarnation.seen.listening = new Set(frame.addresses.map(describeAddress))
        return this.#checkReady(incarnation)
      case 'load':
        incarnation.connections = frame.connections
        return this.#options.slots.changed(incarnation)
      case 'drained':
        return incarnation.drained.fire(frame)
      case 'released':
        return incarnation.released.fire()
    }
  }

  /** Ends a process that will not become ready, and remembers why. */
  #giveUp(incarnation: Incarnation, verdict: string): void {
    incarnation.verdict = verdict
    incarnation.child?.kill('SIGKILL')
  }

  #disconnected(incarnation: Incarnation): void {
    this.#options.reports.event('disconnect', nameOf(incarnation))
    if (incarnation.reaped) return
    incarnation.exitTimer = this.#options.clock.after(EXIT_GRACE, () => incarnation.child?.kill('SIGKILL'))
    // Nothing can be sent to it any more, so the id waits for its successor.
    incarnation.phase = 'gone'
    this.#options.slots.changed(incarnation)
  }

  /** Its calls learn it now. Its last words may still be in the pipe, and what follows waits for them. */
  async #exited(incarnation: Incarnation, exit: ChildExit): Promise<void> {
    if (incarnation.reaped) return
    incarnation.reaped = true
    incarnation.phase = 'gone'
    incarnation.readyTimer?.cancel()
    incarnation.exitTimer?.cancel()
    const { reports, slots } = this.#options
    reports.gone(incarnation.ref, { pid: incarnation.pid, exitCode: exit.code, signal: exit.signal })
    slots.changed(incarnation)

    await incarnation.child?.outputRead()
    const output = incarnation.child?.output() ?? ''
    const { code, signal } = exit
    reports.event('exit', { ...nameOf(incarnation), code, signal, intended: incarnation.intended, output })
    const failure = failedStart(incarnation, exit, output)
    if (!incarnation.intended) incarnation.failure = failure
    slots.left(incarnation, exit)
    this.incarnations.delete(incarnation.ref.incarnation)
    if (!incarnation.started.fired) incarnation.started.fire(failure)
    incarnation.exited.fire(exit)
  }
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

/** How events name a process. */
export function nameOf(incarnation: Incarnation): ProcessRef & { pid: number } {
  return { ...incarnation.ref, pid: incarnation.pid }
}
