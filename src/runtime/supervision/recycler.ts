import { ClusterClosedError } from '../../protocol/errors.js'
import type { HealthFrame } from '../../protocol/frames.js'
import type { WorkerId } from '../../protocol/ids.js'
import type { Clock } from '../clock.js'
import type { Logger } from '../logger.js'
import type { RecycleEvent } from './events.js'
import type { Incarnation } from './incarnation.js'
import { nameOf } from './process-watch.js'
import { type RecycleOptions, wornBy } from './recycle-policy.js'

export interface RecyclerOptions {
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly recycle: RecycleOptions
  /** After a replacement that failed, the next attempt at the same worker waits so long, ms. */
  readonly pause: number
  readonly event: (event: RecycleEvent) => void
  /**
   * Starts another process for its slot and drains this one when that is ready. Comes to nothing when it does not serve any
   * more by the time that its turn has come; rejects when the new one fails, and then the old one serves on.
   */
  readonly replace: (incarnation: Incarnation) => Promise<void>
}

/** One process, from when it began to serve. */
interface Term {
  readonly since: number
  readonly random: number
  readonly recycle: RecycleOptions
  /** It is being replaced, or was, in vain, a moment ago. */
  waits: boolean
}

/** Has workers replaced that have reached a limit of `recycle`, one after the other. They say how they are several times a second. */
export class Recycler {
  readonly #options: RecyclerOptions
  readonly #terms = new WeakMap<Incarnation, Term>()
  /** Workers whose last process was replaced for its memory, until the new one says how it is. */
  readonly #renewed = new Map<WorkerId, 'rss' | 'heap'>()

  constructor(options: RecyclerOptions) {
    this.#options = options
  }

  /** A worker that serves has said how it is. */
  heard(incarnation: Incarnation, health: HealthFrame): void {
    const { clock, random } = this.#options
    let term = this.#terms.get(incarnation)
    if (!term) {
      term = {
        since: clock.now(),
        random: random(),
        recycle: this.#limitsFor(nameOf(incarnation).id, health),
        waits: false,
      }
      this.#terms.set(incarnation, term)
    }
    if (term.waits) return
    const { rss, heap, requests } = health
    const served = requests + (incarnation.link?.invoked ?? 0)
    const wear = { rss, heap, requests: served, age: clock.now() - term.since, random: term.random }
    const worn = wornBy(wear, term.recycle)
    if (worn) void this.#replace(incarnation, term, { ...nameOf(incarnation), ...worn })
  }

  /** One that begins where its predecessor was replaced is not, for its memory: the next would begin there, too, for ever. */
  #limitsFor(id: WorkerId, health: HealthFrame): RecycleOptions {
    const { recycle, logger } = this.#options
    const reason = this.#renewed.get(id)
    this.#renewed.delete(id)
    const limit = reason && recycle[reason]
    if (!reason || limit === undefined || health[reason] < limit) return recycle
    const has = `has ${megabytes(health[reason])} when it has just been replaced for \`recycle.${reason}\``
    logger.warn(
      `worker ${id} ${has}, which is ${megabytes(limit)}: another would have as much. It is left alone. Raise the limit`,
    )
    return { ...recycle, [reason]: undefined }
  }

  async #replace(incarnation: Incarnation, term: Term, event: RecycleEvent): Promise<void> {
    const { replace, logger, clock, pause } = this.#options
    term.waits = true
    this.#options.event(event)
    try {
      if (event.reason === 'rss' || event.reason === 'heap') this.#renewed.set(event.id, event.reason)
      await replace(incarnation)
    } catch (error) {
      this.#renewed.delete(event.id)
      // The cluster stops, and this one with it.
      if (error instanceof ClusterClosedError) return
      logger.warn(`worker ${event.id} has reached its limit (recycle.${event.reason}) and could not be replaced`, error)
      clock.after(
        pause,
        () => {
          term.waits = false
        },
        { idle: true },
      )
    }
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}
