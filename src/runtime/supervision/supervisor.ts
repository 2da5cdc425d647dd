import { BootError, ClusterClosedError, type FailedStart } from '../../protocol/errors.js'
import type { LifeUpFrame } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import type { ClusterEnd, ReloadReport, RetireReport } from './events.js'
import type { Incarnation } from './incarnation.js'
import type { RecycleOptions } from './recycle-policy.js'
import { Recycler } from './recycler.js'
import { mergePlans, Reload, type ReloadParts, type ReloadPlan } from './reload.js'
import { type CallDrain, kill, retire } from './retire.js'
import { abandon, type Slot } from './slot.js'
import { SlotKeeper, type SlotKeeperOptions } from './slot-keeper.js'

export interface SupervisorOptions extends Omit<SlotKeeperOptions, 'refills' | 'giveUp' | 'heard'> {
  readonly workers: number
  readonly calls: CallDrain
  readonly recycle: RecycleOptions
}

/**
 * The cluster as a whole: boot, scale, reload, stop. Knows nothing of calls or connections but that they are drained; the
 * slot keeper below it follows each process and restarts what dies.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #keeper: SlotKeeper
  #phase: 'booting' | 'running' | 'stopping' | 'ended' = 'booting'
  #stopping: Promise<RetireReport> | undefined
  /** The start, `scale` and `reload` change slots: one at a time. */
  #lane: Promise<unknown> = Promise.resolve()
  #reload: Reload | undefined
  #queuedReload: { plan: ReloadPlan; readonly done: Promise<ReloadReport> } | undefined

  constructor(options: SupervisorOptions) {
    this.#options = options
    const recycler = new Recycler({
      ...options,
      pause: options.restart.backoff.max,
      event: (event) => options.reports.event('recycle', event),
      replace: (incarnation) => this.#recycle(incarnation),
    })
    this.#keeper = new SlotKeeper({
      ...options,
      refills: () => this.#phase === 'running',
      heard: (incarnation, frame) => {
        if (this.#phase === 'running') recycler.heard(incarnation, frame)
      },
      giveUp: (end) => {
        // A reload may bring back what has failed. It asks again when it is over.
        if (!this.#reload) void this.stop(end)
      },
    })
  }

  /** Resolves when every worker is ready. One that fails ends the boot: its siblings are stopped, no backoff. */
  boot(): Promise<void> {
    const booted = this.#boot()
    this.#lane = booted.catch(() => {})
    return booted
  }

  async #boot(): Promise<void> {
    const failures = await this.#grow(this.#options.workers)
    if (this.#phase !== 'booting')
      throw new ClusterClosedError({ method: 'createCluster', reason: 'it was stopped before every worker was ready' })
    if (failures.length === 0) {
      this.#phase = 'running'
      return
    }
    const error = new BootError({ failures })
    this.#end({ reason: 'failed', error })
    throw error
  }

  /** More workers, or fewer: the highest ids go, drained. Resolves when that is so. */
  scale(workers: number): Promise<void> {
    return this.#inLane('scale', async () => {
      const leaving = [...this.#keeper.slots.values()].filter(({ id }) => id > workers)
      // The cluster serves on: an idle connection that is closed at once would reset the request that is just arriving on it.
      await Promise.all(leaving.map((slot) => this.#removeSlot(slot, 'reload')))
      const failures = await this.#grow(workers)
      if (this.#phase !== 'running') throw new ClusterClosedError({ method: 'scale' })
      if (failures.length > 0) throw new BootError({ failures })
    })
  }

  /**
   * Replaces every worker, or none (`Reload`). One runs and one may be queued, which later callers share: it then does what
   * theirs would have done one after the other.
   */
  reload(plan: ReloadPlan = {}): Promise<ReloadReport> {
    if (this.#queuedReload) {
      this.#queuedReload.plan = mergePlans(this.#queuedReload.plan, plan)
      return this.#queuedReload.done
    }
    const run = (): Promise<ReloadReport> => this.#runReload(queued.plan)
    const begun = (): void => {
      this.#queuedReload = undefined
    }
    const queued = { plan, done: this.#inLane('reload', run, begun) }
    this.#queuedReload = queued
    return queued.done
  }

  /** Ends everything in order. The same promise for everybody who asks. */
  stop(end: ClusterEnd = { reason: 'stopped' }): Promise<RetireReport> {
    this.#stopping ??= this.#stop(end)
    return this.#stopping
  }

  /** Ends everything now, also in the middle of a `stop`. */
  async kill(end: ClusterEnd = { reason: 'stopped' }): Promise<void> {
    if (this.#phase !== 'ended') this.#phase = 'stopping'
    this.#options.reports.stopping()
    this.#reload?.close()
    for (const slot of this.#keeper.slots.values()) abandon(slot)
    this.#options.calls.close()
    await kill(this.#keeper.processes)
    this.#end(end)
  }

  /** Ends a process that others have found unfit, as a crash with that verdict: it is replaced by the restart policy. */
  fence(ref: ProcessRef, verdict: string): void {
    this.#keeper.fence(ref, verdict)
  }

  /** A frame about the life of a process, from that process. */
  receive(ref: ProcessRef, frame: LifeUpFrame): void {
    this.#keeper.receive(ref, frame)
  }

  /** Fills the ids up to `workers`. Gives the starts that failed, after whatever was started with them has been ended. */
  async #grow(workers: number): Promise<FailedStart[]> {
    const ids = Array.from({ length: workers }, (_, index) => index + 1).filter((id) => !this.#keeper.slots.has(id))
    const starts = ids.map((id) => this.#keeper.open(id))
    if (await everyReady(starts)) {
      for (const start of starts) start.onTrial = false
      return []
    }
    await Promise.all(ids.map((id) => this.#removeSlot(this.#keeper.slots.get(id), 'stop')))
    // Who failed in the same moment is told along with the first; who was ended for it is not.
    return starts.flatMap(({ exited }) => exited.value?.failure ?? [])
  }

  #runReload(plan: ReloadPlan): Promise<ReloadReport> {
    const { reports } = this.#options
    const slots = [...this.#keeper.slots.values()]
    return this.#replace({ plan, slots, renewed: true, event: (event) => reports.event('reload', event) })
  }

  /** A reload of one slot, by the same rules. */
  async #recycle(incarnation: Incarnation): Promise<void> {
    await this.#inLane('recycle', async () => {
      const slot = this.#keeper.slots.get(incarnation.ref.id)
      if (slot && this.#keeper.serves(incarnation))
        await this.#replace({ plan: {}, slots: [slot], renewed: false, event: () => {} })
    })
  }

  async #replace(parts: Pick<ReloadParts, 'plan' | 'slots' | 'renewed' | 'event'>): Promise<ReloadReport> {
    const reload = new Reload({ ...this.#options, ...parts, keeper: this.#keeper })
    this.#reload = reload
    try {
      return await reload.run()
    } finally {
      this.#reload = undefined
      if (this.#phase === 'running') this.#keeper.giveUpIfDue()
    }
  }

  async #removeSlot(slot: Slot | undefined, mode: 'stop' | 'reload'): Promise<void> {
    if (!slot) return
    abandon(slot)
    const { incarnation } = slot.state
    this.#keeper.drain(incarnation)
    const group = this.#keeper.processes.filter(({ ref }) => ref.id === slot.id)
    await retire(group, { ...this.#retireOptions(false), mode })
    this.#keeper.slots.delete(slot.id)
    this.#options.reports.member(incarnation, { slot, removed: true })
  }

  async #stop(end: ClusterEnd): Promise<RetireReport> {
    this.#phase = 'stopping'
    this.#options.reports.stopping()
    this.#reload?.close()
    for (const slot of this.#keeper.slots.values()) abandon(slot)
    const group = this.#keeper.processes
    for (const incarnation of group)
      if (incarnation.phase === 'ready' || incarnation.phase === 'standby') this.#keeper.drain(incarnation)
    const report = await retire(group, this.#retireOptions(true))
    this.#end(end)
    return report
  }

  #end(end: ClusterEnd): void {
    if (this.#phase === 'ended') return
    this.#phase = 'ended'
    this.#options.reports.ended(end)
  }

  /** `begun` is called when its turn has come, whether or not it can still be done. */
  #inLane<T>(method: string, run: () => Promise<T>, begun: () => void = () => {}): Promise<T> {
    const turn = this.#lane.then(() => {
      begun()
      if (this.#phase !== 'running') throw new ClusterClosedError({ method })
      return run()
    })
    this.#lane = turn.catch(() => {})
    return turn
  }

  #retireOptions(closing: boolean): Parameters<typeof retire>[1] {
    const { clock, timeouts, calls } = this.#options
    return { mode: 'stop', closing, clock, timeouts, calls }
  }
}

/** True when all have become ready, false as soon as one has ended, be it that it was ready and waited for the others. */
function everyReady(starts: readonly Incarnation[]): Promise<boolean> {
  return new Promise((resolve) => {
    for (const { exited } of starts) void exited.promise.then(() => resolve(false))
    void Promise.all(starts.map(({ started }) => started.promise)).then((outcomes) => {
      resolve(outcomes.every((outcome) => outcome === 'ready') && starts.every(({ alive }) => alive))
    })
  })
}
