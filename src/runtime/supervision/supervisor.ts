import { BootError, ClusterClosedError, type FailedStart, ReloadError } from '../../protocol/errors.js'
import type { LifeUpFrame } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import type { ClusterEnd } from './events.js'
import type { Incarnation } from './incarnation.js'
import { type CallDrain, kill, type RetireReport, retire } from './retire.js'
import { living, type Slot } from './slot.js'
import { abandon, SlotKeeper, type SlotKeeperOptions } from './slot-keeper.js'

export interface SupervisorOptions extends Omit<SlotKeeperOptions, 'refills' | 'giveUp'> {
  readonly workers: number
  readonly calls: CallDrain
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
  #queuedReload: Promise<void> | undefined

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#keeper = new SlotKeeper({
      ...options,
      refills: () => this.#phase === 'running',
      giveUp: (end) => void this.stop(end),
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
      await Promise.all(leaving.map((slot) => this.#removeSlot(slot)))
      const failures = await this.#grow(workers)
      if (this.#phase !== 'running') throw new ClusterClosedError({ method: 'scale' })
      if (failures.length > 0) throw new BootError({ failures })
    })
  }

  /** Replaces every worker, one after the other. One reload runs and one may be queued, which later callers share. */
  reload(): Promise<void> {
    if (this.#queuedReload !== undefined) return this.#queuedReload
    const queued = this.#inLane(
      'reload',
      () => this.#reloadAll(),
      () => {
        this.#queuedReload = undefined
      },
    )
    this.#queuedReload = queued
    return queued
  }

  /** Ends everything in order. The same promise for everybody who asks. */
  stop(end: ClusterEnd = { reason: 'stopped' }): Promise<RetireReport> {
    this.#stopping ??= this.#stop(end)
    return this.#stopping
  }

  /** Ends everything now, also in the middle of a `stop`. */
  async kill(end: ClusterEnd = { reason: 'stopped' }): Promise<void> {
    if (this.#phase !== 'ended') this.#phase = 'stopping'
    for (const slot of this.#keeper.slots.values()) abandon(slot)
    this.#options.calls.close()
    await kill(this.#keeper.processes)
    this.#end(end)
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
    await Promise.all(ids.map((id) => this.#removeSlot(this.#keeper.slots.get(id))))
    // Who failed in the same moment is told along with the first; who was ended for it is not.
    return starts.flatMap(({ failure }) => failure ?? [])
  }

  async #reloadAll(): Promise<void> {
    const { reports } = this.#options
    const replaced: number[] = []
    reports.event('reload', { phase: 'started', replaced: [] })
    for (const slot of [...this.#keeper.slots.values()]) {
      const failure = await this.#replace(slot)
      // A stop ends the processes that it finds: one started after it began would outlive it.
      const closed = this.#phase !== 'running'
      if (failure || closed) {
        reports.event('reload', { phase: 'failed', replaced: [...replaced] })
        throw failure && !closed
          ? new ReloadError({ failures: [failure] })
          : new ClusterClosedError({ method: 'reload' })
      }
      replaced.push(slot.id)
    }
    reports.event('reload', { phase: 'finished', replaced })
  }

  /** The new one is ready before the old one drains. Gives why not. */
  async #replace(slot: Slot): Promise<FailedStart | undefined> {
    const outcome = await this.#keeper.launchNext(slot).started.promise
    if (outcome !== 'ready') {
      this.#keeper.resume(slot)
      return outcome
    }
    const displaced = this.#keeper.processes
      .filter(({ ref }) => ref.id === slot.id)
      .filter((one) => one !== slot.state.incarnation)
    await retire(displaced, this.#retireOptions('reload', false))
    return undefined
  }

  async #removeSlot(slot: Slot | undefined): Promise<void> {
    if (!slot) return
    abandon(slot)
    const { incarnation } = slot.state
    this.#keeper.drain(incarnation)
    await retire(living(slot), this.#retireOptions('stop', false))
    this.#keeper.slots.delete(slot.id)
    this.#options.reports.member(incarnation, { slot, removed: true })
  }

  async #stop(end: ClusterEnd): Promise<RetireReport> {
    this.#phase = 'stopping'
    for (const slot of this.#keeper.slots.values()) abandon(slot)
    const group = this.#keeper.processes
    for (const incarnation of group) if (incarnation.phase === 'ready') this.#keeper.drain(incarnation)
    const report = await retire(group, this.#retireOptions('stop', true))
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

  #retireOptions(mode: 'stop' | 'reload', closing: boolean): Parameters<typeof retire>[1] {
    const { clock, timeouts, calls } = this.#options
    return { mode, closing, clock, timeouts, calls }
  }
}

/** True when all have become ready, false as soon as one has ended, be it that it was ready and waited for the others. */
function everyReady(starts: readonly Incarnation[]): Promise<boolean> {
  return new Promise((resolve) => {
    for (const { exited } of starts) void exited.promise.then(() => resolve(false))
    void Promise.all(starts.map(({ started }) => started.promise)).then((outcomes) => {
      resolve(outcomes.every((outcome) => outcome === 'ready') && !starts.some(({ exit }) => exit))
    })
  })
}
