import type { HealthFrame } from '../../protocol/frames.js'
import { type Clock, nextTurn, type Timer } from '../clock.js'
import { type Sighting, unseen } from '../evidence/sighting.js'
import type { Logger } from '../logger.js'
import { within } from '../within.js'
import type { UnhealthyEvent } from './events.js'
import type { Incarnation } from './incarnation.js'
import { Latch } from './latch.js'
import { consequences, type LivenessLimits } from './liveness.js'
import { nameOf } from './process-watch.js'

export interface HeartbeatOptions {
  readonly clock: Clock
  readonly timeouts: LivenessLimits
  readonly logger: Logger
  /** A debugger may stop the primary. */
  readonly isDebugged: () => boolean
  /** The processes that serve: those that are watched. */
  readonly serving: () => readonly Incarnation[]
  /** It is out of rotation, or back: `incarnation.unhealthy` says which. */
  readonly changed: (incarnation: Incarnation) => void
  readonly event: (event: UnhealthyEvent) => void
  readonly kill: (incarnation: Incarnation, verdict: string) => void
  /** Has its slot somebody who serves again, or is it not to be filled? */
  readonly isReplaced: (incarnation: Incarnation) => boolean
}

/** What is known of one worker that serves. */
interface Watched {
  heard: number
  /** From the moment it was found silent: fires when it is heard again. */
  silence: Latch<void> | undefined
  /** The end of what is told of that silence, so that `back` is told after it. */
  told: Promise<void>
}

const NOT_LOOKED: Sighting = { activity: 'unknown', stack: undefined, reason: undefined }

/** Looks at the workers within `timeouts.heartbeat`. */
const LOOKS = 4
/** How long looking at a blocked process may take, ms: on a busy machine its inspector opens late. */
const SIGHTING = 2_500

/**
 * Listens for the workers' signs of life (`../pulse.ts`), and tells who is blocked from who is merely busy: whoever answers, be
 * it late, is alive. What follows from a silence is decided by `liveness.ts`.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #watched = new Map<Incarnation, Watched>()
  #killed: Incarnation | undefined
  #timer: Timer | undefined
  #due = 0

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  /** Somebody begins to serve, or does so no more. */
  membersChanged(): void {
    const { serving, clock } = this.#options
    const now = serving()
    for (const incarnation of this.#watched.keys()) if (!now.includes(incarnation)) this.#watched.delete(incarnation)
    for (const incarnation of now) {
      if (!this.#watched.has(incarnation))
        this.#watched.set(incarnation, { heard: clock.now(), silence: undefined, told: Promise.resolve() })
    }
    if (now.length === 0) this.#rest()
    else if (!this.#timer) this.#next()
  }

  /** A sign of life. */
  heard(incarnation: Incarnation, frame: HealthFrame): void {
    incarnation.health = frame
    const watched = this.#watched.get(incarnation)
    if (!watched) return
    const silent = this.#options.clock.now() - watched.heard
    watched.heard = this.#options.clock.now()
    if (watched.silence) this.#back(incarnation, watched, silent)
  }

  #next(): void {
    const { clock, timeouts } = this.#options
    const interval = timeouts.heartbeat / LOOKS
    this.#due = clock.now() + interval
    this.#timer = clock.after(interval, () => this.#look(), { idle: true })
  }

  #rest(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #look(): void {
    const { clock, timeouts, isDebugged } = this.#options
    // Stopped, debugged, or on a machine that was paused: what was not heard meanwhile is nobody's fault.
    const stalled = clock.now() - this.#due > timeouts.heartbeat / 2
    if (stalled || isDebugged()) for (const watched of this.#watched.values()) watched.heard = clock.now()
    // Judged in a later turn: what has arrived is read between two turns.
    this.#timer = nextTurn(clock, () => {
      this.#next()
      this.#judge()
    })
  }

  #judge(): void {
    const { clock, timeouts, isReplaced } = this.#options
    const watched = [...this.#watched].filter(([incarnation]) => incarnation.health?.debugged !== true)
    const lives = watched.map(([incarnation, { heard }]) => ({
      incarnation: incarnation.ref.incarnation,
      silent: clock.now() - heard,
      inRotation: !incarnation.unhealthy,
    }))
    if (this.#killed && isReplaced(this.#killed)) this.#killed = undefined
    const { out, kill } = consequences(lives, timeouts, this.#killed !== undefined)
    for (const [incarnation, entry] of watched) {
      if (out.includes(incarnation.ref.incarnation)) {
        incarnation.unhealthy = true
        this.#options.changed(incarnation)
      }
      if (!entry.silence && clock.now() - entry.heard >= timeouts.heartbeat) this.#missed(incarnation, entry)
      if (incarnation.ref.incarnation === kill) void this.#kill(incarnation, entry)
    }
  }

  #missed(incarnation: Incarnation, watched: Watched): void {
    const { logger, timeouts } = this.#options
    const silence = new Latch<void>()
    watched.silence = silence
    watched.told = this.#see(incarnation, silence).then((sighting) => {
      const event = this.#describe('missed', incarnation, watched, sighting)
      const rotation = event.inRotation
        ? 'it is the last one that serves, and keeps its place'
        : 'it is out of rotation'
      logger.warn(`${inWords(incarnation)} ${wasSilent(timeouts.heartbeat, sighting)}: ${rotation}`)
      this.#options.event(event)
    })
  }

  #back(incarnation: Incarnation, watched: Watched, silent: number): void {
    const { changed, event } = this.#options
    watched.silence?.fire()
    watched.silence = undefined
    if (incarnation.unhealthy) {
      incarnation.unhealthy = false
      changed(incarnation)
    }
    void watched.told.then(() => {
      event({ ...this.#describe('back', incarnation, watched, NOT_LOOKED), silent })
    })
  }

  async #kill(incarnation: Incarnation, watched: Watched): Promise<void> {
    this.#killed = incarnation
    const { timeouts, logger, event, kill } = this.#options
    await watched.told
    const sighting = watched.silence ? await this.#see(incarnation, watched.silence) : NOT_LOOKED
    // It may have spoken, or ended, while it was looked at.
    if (!watched.silence || this.#watched.get(incarnation) !== watched) {
      if (this.#killed === incarnation) this.#killed = undefined
      return
    }
    const verdict = wasSilent(timeouts.blocked, sighting)
    logger.error(`${inWords(incarnation)} ${verdict}: it is killed`)
    event(this.#describe('killed', incarnation, watched, sighting))
    kill(incarnation, `${verdict} (\`timeouts.blocked\`)`)
  }

  /** What can be seen of it from outside, unless it speaks first. */
  async #see({ child, link, health }: Incarnation, silence: Latch<void>): Promise<Sighting> {
    const look =
      child?.look?.(health?.inspectable ?? false, silence.promise) ??
      Promise.resolve(unseen('this kind of process cannot be looked at'))
    const spoke = silence.promise.then(() => unseen('it answered while it was looked at'))
    const sighting = await within(this.#options.clock, SIGHTING, Promise.race([look, spoke]))
    // Whatever was opened for the look is closed by the worker itself, as soon as it can.
    link?.send({ kind: 'probe', closeInspector: true })
    return sighting ?? unseen(`it could not be looked at within ${SIGHTING} ms`)
  }

  #describe(
    phase: UnhealthyEvent['phase'],
    incarnation: Incarnation,
    { heard }: Watched,
    { activity, stack, reason }: Sighting,
  ): UnhealthyEvent {
    return {
      ...nameOf(incarnation),
      phase,
      silent: this.#options.clock.now() - heard,
      lag: incarnation.health?.lag ?? 0,
      inRotation: !incarnation.unhealthy,
      activity,
      stack,
      reason,
    }
  }
}

function inWords({ ref, pid }: Incarnation): string {
  return `worker ${ref.id} (pid ${pid})`
}

/** What is said of it, and why it is killed. */
function wasSilent(ms: number, { activity, stack, reason }: Sighting): string {
  const doing = activity === 'unknown' ? '' : `, ${activity}`
  const where = stack ? `, blocked at\n${stack}\n` : ` (no stack: ${reason})`
  return `has given no sign of life for ${ms} ms${doing}${where}`
}
