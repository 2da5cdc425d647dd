import { ClusterClosedError, type FailedStart, ReloadError } from '../../protocol/errors.js'
import type { Clock } from '../clock.js'
import type { Timeouts } from '../limits.js'
import { within } from '../within.js'
import type { LaunchSettings } from './child.js'
import type { ReloadEvent, ReloadReport, RetireReport } from './events.js'
import type { Incarnation } from './incarnation.js'
import { Latch } from './latch.js'
import { type CallDrain, retire } from './retire.js'
import type { Slot } from './slot.js'
import type { SlotKeeper } from './slot-keeper.js'

/** What a reload is asked for. */
export interface ReloadPlan {
  /** How many new processes start at a time. */
  readonly concurrency?: number
  /** How long, in ms, all of them must have been alive since the last one became ready. */
  readonly settle?: number
  /** Name by name, in place of what workers are started with so far. */
  readonly settings?: LaunchSettings
}

export interface ReloadParts {
  /** Which slots get a new process. */
  readonly slots: readonly Slot[]
  /** They have a new program, not only a new process: what their restarts have counted so far is forgotten. */
  readonly renewed: boolean
  readonly plan: ReloadPlan
  readonly keeper: SlotKeeper
  readonly clock: Clock
  readonly timeouts: Timeouts
  readonly calls: CallDrain
  /** Who is told how it goes. */
  readonly event: (event: ReloadEvent) => void
}

/** Each start loads the machine on which the old workers serve. */
const CONCURRENCY = 2

type State =
  /** New processes start, a few at a time. Each that is ready stands by, and serves nobody. */
  | 'starting'
  /** All stand by, and have to stay alive for a while. */
  | 'settling'
  /** One of them has ended: the others are stopped. */
  | 'failing'
  /** They serve, and the old ones drain. */
  | 'draining'
  /** The cluster stops, and with it every process of this reload. */
  | 'closed'

/**
 * A reload as a transaction: the new processes of all slots prove that they can serve before one of them does, then take
 * over together; or none does, and the old ones have noticed nothing.
 */
export class Reload {
  readonly #parts: ReloadParts
  readonly #settings: LaunchSettings
  readonly #successors: Incarnation[] = []
  /** It is no longer undecided, by the end of a new process or by the cluster's. */
  readonly #broken = new Latch<void>()
  readonly #closed = new Latch<void>()
  #state: State = 'starting'

  constructor(parts: ReloadParts) {
    this.#parts = parts
    this.#settings = { ...parts.keeper.settings, ...parts.plan.settings }
  }

  /** Rejects with `ReloadError` when a new process fails, when the others have been stopped; when the cluster stops, at once. */
  async run(): Promise<ReloadReport> {
    const { event } = this.#parts
    event({ phase: 'started' })
    try {
      const report = await Promise.race([this.#replaceAll(), this.#closed.promise])
      if (!report) throw new ClusterClosedError({ method: 'reload' })
      event({ phase: 'finished', ...report })
      return report
    } catch (error) {
      const failures = error instanceof ReloadError ? error.failures : []
      event({ phase: 'failed', reason: (error as Error).message, failures })
      throw error
    }
  }

  /** The cluster stops. Whoever stops it ends the processes; here nothing more is started. */
  close(): void {
    this.#state = 'closed'
    this.#closed.fire()
    this.#broken.fire()
  }

  async #replaceAll(): Promise<ReloadReport | undefined> {
    await Promise.race([this.#startAll(), this.#broken.promise])
    if (this.#undecided) await this.#settle()
    // One whose channel has closed is about to end: its exit says how.
    if (this.#undecided && this.#successors.some(({ phase }) => phase !== 'standby')) await this.#broken.promise
    if (this.#undecided) return await this.#takeOver()
    if (this.#state === 'failing') throw await this.#takeBack()
    return undefined
  }

  /** The old workers serve, and the new ones may yet take over. */
  get #undecided(): boolean {
    return this.#state === 'starting' || this.#state === 'settling'
  }

  async #startAll(): Promise<void> {
    const { keeper, plan } = this.#parts
    const slots = [...this.#parts.slots]
    const startInTurn = async (): Promise<void> => {
      for (let slot = slots.shift(); slot && this.#undecided; slot = slots.shift()) {
        const successor = keeper.launchSuccessor(slot, this.#settings)
        this.#successors.push(successor)
        void successor.exited.promise.then(() => this.#lose())
        if ((await successor.started.promise) !== 'ready') return
      }
    }
    const lanes = Math.min(plan.concurrency ?? CONCURRENCY, slots.length)
    await Promise.all(Array.from({ length: lanes }, startInTurn))
  }

  async #settle(): Promise<void> {
    const { clock, plan, timeouts } = this.#parts
    this.#state = 'settling'
    const settle = plan.settle ?? timeouts.settle
    if (settle > 0) await within(clock, settle, this.#broken.promise)
  }

  #lose(): void {
    if (!this.#undecided) return
    this.#state = 'failing'
    this.#broken.fire()
  }

  async #takeOver(): Promise<ReloadReport | undefined> {
    const { keeper } = this.#parts
    this.#state = 'draining'
    const displaced = keeper.takeOver(this.#successors, this.#settings, this.#parts.renewed)
    // Whoever heard of a new one may have stopped the cluster, which then drains them all.
    if (this.#closed.fired) return undefined
    const report = await this.#retire(displaced, 'reload')
    return { replaced: this.#successors.map(({ ref }) => ref.id), ...report }
  }

  async #takeBack(): Promise<ReloadError> {
    for (const successor of this.#successors) this.#parts.keeper.drain(successor)
    await this.#retire(this.#successors, 'stop')
    return new ReloadError({ failures: this.#successors.flatMap((successor) => failureOf(successor) ?? []) })
  }

  #retire(group: readonly Incarnation[], mode: 'stop' | 'reload'): Promise<RetireReport> {
    const { clock, timeouts, calls } = this.#parts
    return retire(group, { mode, closing: false, clock, timeouts, calls })
  }
}

/** What two plans that are carried out as one ask for: what both name, the later one decides. */
export function mergePlans(earlier: ReloadPlan, later: ReloadPlan): ReloadPlan {
  return { ...earlier, ...later, settings: { ...earlier.settings, ...later.settings } }
}

/** Why a new process did not come to serve; `undefined` when it was ended because another had failed. */
function failureOf({ exited, started }: Incarnation): FailedStart | undefined {
  const failure = exited.value?.failure
  if (!failure || started.value !== 'ready') return failure
  return { ...failure, reason: `${failure.reason} after it was ready, before it took over` }
}
