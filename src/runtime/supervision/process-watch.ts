import { describeExit, type FailedStart, type OutOfMemory } from '../../protocol/errors.js'
import { type HealthFrame, type LifeUpFrame, PROTOCOL_VERSION, type WelcomeFrame } from '../../protocol/frames.js'
import type { ProcessRef, WorkerId } from '../../protocol/ids.js'
import type { Clock } from '../clock.js'
import { TurnTime } from '../evidence/flight-recorder.js'
import { lastLines, outOfMemory } from '../evidence/last-words.js'
import { RecordedLink } from '../evidence/recorded-link.js'
import type { Timeouts } from '../limits.js'
import { within } from '../within.js'
import type { ChildEvents, ChildExit, Launcher, LaunchSettings } from './child.js'
import type { ClusterEnd, ClusterEvents } from './events.js'
import { Incarnation, type ProcessEnd } from './incarnation.js'
import { describeAddress, type ReadyMode } from './readiness.js'
import type { Slot } from './slot.js'

/** How a process ended, as far as it is known at once. */
export interface ProcessEnding {
  readonly pid: number
  readonly exitCode: number | null
  readonly signal: string | null
  readonly outOfMemory: OutOfMemory
  /** Its last lines on stderr. */
  readonly output: string
}

/** What the supervisor tells its root, which tells the rest. */
export interface SupervisorReports {
  /** A process was started; its link can be used. */
  launched(ref: ProcessRef, link: RecordedLink): void
  /**
   * A process or its slot changed: `incarnation.phase` says what may be given to it. In a reload the new ones are reported as
   * ready before any old one is reported as draining, and that before it is sent `drain`. `removed`: the slot is no more.
   */
  member(incarnation: Incarnation, change: { readonly slot: Slot; readonly removed: boolean }): void
  /**
   * A process can answer no call any more. Told once per process, before its `exit` event, which waits for what others still
   * have to tell of it.
   */
  gone(ref: ProcessRef, ending: ProcessEnding): Promise<void>
  event<E extends keyof ClusterEvents>(name: E, detail: ClusterEvents[E]): void
  /** What `join` is answered with. */
  welcome(): WelcomeFrame
  /** The cluster is on its way to its end, and every process with it. Told before anybody drains, and again when a stop becomes a kill. */
  stopping(): void
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
  /** It is ready, and has been reported to nobody as such. */
  becameReady(incarnation: Incarnation): void
  /** It has exited, and all it had to say has been read. */
  left(incarnation: Incarnation, end: ProcessEnd): void
  /** It has given a sign of life. */
  heard(incarnation: Incarnation, frame: HealthFrame): void
  /** Something that others see of it has changed. */
  changed(incarnation: Incarnation): void
}

/** A dead worker's calls wait so long for its last words, which are usually there before its exit is seen, ms. */
const LAST_WORDS = 10

/** Between a closed channel and the exit that should follow: then the process gets SIGKILL. */
const EXIT_GRACE = 50

/** Starts processes, and follows each to its end. What a start or an end means for a slot is decided by the slot keeper. */
export class ProcessWatch {
  /** Every process whose exit has not been told. */
  readonly incarnations = new Map<number, Incarnation>()
  readonly #options: ProcessWatchOptions
  /** For the flight recorders of all processes. */
  readonly #time: TurnTime
  #lastIncarnation = 0

  constructor(options: ProcessWatchOptions) {
    this.#options = options
    this.#time = new TurnTime(options.clock)
  }

  create(id: WorkerId, required: ReadonlySet<string>): Incarnation {
    const incarnation = new Incarnation({ id, incarnation: ++this.#lastIncarnation }, required)
    this.incarnations.set(incarnation.ref.incarnation, incarnation)
    return incarnation
  }

  launch(incarnation: Incarnation, settings: LaunchSettings): void {
    const { launcher, clock, timeouts, reports } = this.#options
    try {
      const child = launcher.launch(incarnation.ref, this.#eventsOf(incarnation), settings)
      incarnation.child = child
      incarnation.link = new RecordedLink(child.link, this.#time)
    } catch (error) {
      // Node refuses some settings by throwing (a uid that we may not take): the same as a process that ended at once.
      clock.nextTurn(() => void this.#exited(incarnation, { code: null, signal: null, error: error as Error }))
      return
    }
    reports.launched(incarnation.ref, incarnation.link)
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
      corrupt: (verdict) => this.fence(incarnation.ref, verdict),
      exited: (exit) => void this.#exited(incarnation, exit),
    }
  }

  #checkReady(incarnation: Incarnation): void {
    if (incarnation.phase !== 'starting' || incarnation.intended || incarnation.verdict !== undefined) return
    if (incarnation.missing(this.#options.ready).length > 0) return
    incarnation.readyTimer?.cancel()
    this.#options.slots.becameReady(incarnation)
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
        incarnation.link?.send(this.#options.reports.welcome())
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
      case 'health':
        return this.#options.slots.heard(incarnation, frame)
      case 'drained':
        return incarnation.drained.fire(frame)
      case 'released':
        return incarnation.released.fire()
    }
  }

  /** Ends a process that lives, but not well. */
  fence(ref: ProcessRef, verdict: string): void {
    const incarnation = this.incarnations.get(ref.incarnation)
    if (incarnation && !incarnation.reaped) this.#giveUp(incarnation, verdict)
  }

  /** Ends a process that will not become ready, and remembers why: a failure also when others are being ended meanwhile. */
  #giveUp(incarnation: Incarnation, verdict: string): void {
    incarnation.verdict = verdict
    this.#kill(incarnation)
  }

  #kill(incarnation: Incarnation): void {
    incarnation.killed = true
    incarnation.child?.kill('SIGKILL')
  }

  #disconnected(incarnation: Incarnation): void {
    this.#options.reports.event('disconnect', nameOf(incarnation))
    if (incarnation.reaped) return
    incarnation.exitTimer = this.#options.clock.after(EXIT_GRACE, () => this.#kill(incarnation))
    // Nothing can be sent to it any more, so the id waits for its successor.
    incarnation.phase = 'gone'
    this.#options.slots.changed(incarnation)
  }

  /** Its calls learn it now. Its last words may still be in the pipe, and what follows waits for them. */
  async #exited(incarnation: Incarnation, exit: ChildExit): Promise<void> {
    if (incarnation.reaped) return
    incarnation.reaped = true
    incarnation.phase = 'gone'
    // What is asked of a process after its end has not caused it.
    const { intended } = incarnation
    incarnation.readyTimer?.cancel()
    incarnation.exitTimer?.cancel()
    const { reports, slots, clock } = this.#options
    incarnation.link?.seal()
    const killed = intended || incarnation.killed
    slots.changed(incarnation)

    const { code, signal } = exit
    const read = incarnation.child?.outputRead() ?? Promise.resolve()
    await within(clock, LAST_WORDS, read)
    const said = incarnation.child?.output() ?? ''
    const ending = { exitCode: code, signal, outOfMemory: outOfMemory({ code, signal, killed, output: said }) }
    const told = reports.gone(incarnation.ref, { pid: incarnation.pid, ...ending, output: lastLines(said) })

    // Whoever hears of the exit finds its calls settled.
    await Promise.all([read, told, new Promise<void>((resolve) => clock.nextTurn(resolve))])
    const output = incarnation.child?.output() ?? ''
    const recent = incarnation.link?.recent() ?? []
    const { verdict } = incarnation
    const memory = outOfMemory({ code, signal, killed, output })
    const event = { ...nameOf(incarnation), code, signal, intended, verdict, outOfMemory: memory, output, recent }
    reports.event('exit', event)
    const failed = failedStart(incarnation, exit, memory, output)
    const end = { event, failure: !intended || verdict !== undefined ? failed : undefined }
    slots.left(incarnation, end)
    this.incarnations.delete(incarnation.ref.incarnation)
    if (!incarnation.started.fired) incarnation.started.fire(failed)
    incarnation.exited.fire(end)
  }
}

function failedStart(incarnation: Incarnation, exit: ChildExit, memory: OutOfMemory, output: string): FailedStart {
  const unready = incarnation.started.fired ? '' : ' before it was ready'
  const ending = exit.error
    ? `could not be started: ${exit.error.message}`
    : `${describeExit(exit.code, exit.signal, memory)}${unready}`
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
