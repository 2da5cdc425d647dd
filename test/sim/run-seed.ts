import type { UntypedContract } from '../../src/protocol/contract.js'
import type { FaultPlan } from '../../src/testing/faults.js'
import type { Passing, Processes, SimulationHooks } from '../../src/testing/hooks.js'
import { Random } from '../../src/testing/random.js'
import { simulate } from '../../src/testing/simulate-cluster.js'
import type { WorkerProcess } from '../../src/testing/simulated-worker.js'
import type { Simulation } from '../../src/testing/simulation.js'
import { Actor } from './actor.js'
import type { ReadAsk } from './asks.js'
import { judge } from './invariants.js'
import { Ledger } from './ledger.js'
import { CHANNELS } from './listener.js'
import { primaryPlace, workerPlace } from './places.js'
import { RestartWatch } from './restart-watch.js'
import type { Invariant, Violation } from './violation.js'
import { WireWatch } from './wire-watch.js'
import { doSomething } from './workload.js'

/** Small, so that they are reached. */
const LIMITS = { mailbox: 12, waiting: 8, link: 24 } as const
const PIPE_SIZE = 3_000
/** Less than a value may have, so that some of what is sent cannot be written. */
const LINE_LIMIT = 8_000
const TIMEOUTS = { ready: 3_000, drain: 300, kill: 200 } as const
const WITHIN = 5_000
const SLOWEST = 500
/** How long faults befall the cluster, ms, and what each process does in that time. */
const STORM = 2_000
const THINGS = 8
/** The share of clusters that are stopped in the middle of it. */
const STOPPED = 0.1
/** It has to come whole when the storm is over: some windows full. */
const WHOLE_STREAM: ReadAsk = {
  to: 'any',
  method: 'count',
  ms: 0,
  pause: 0,
  items: 100,
  fails: false,
  leaveAfter: Number.POSITIVE_INFINITY,
  timeout: 1_000,
  idle: 1_000,
  total: 1_000,
  window: undefined,
}
/** For methods that nobody waits for any more to come to their end, ms. */
const AFTERMATH = 5_000
/** A cluster without faults has recovered by then, ms: the slowest start, the slowest retry, and what waits for them. */
const RECOVERY = 30_000

export interface SeedReport {
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly calls: number
  readonly forks: number
  readonly events: number
  /** Virtual ms. */
  readonly duration: number
  /** By kind and code: how everything ended. */
  readonly outcomes: ReadonlyMap<string, number>
  readonly trace: (last?: number) => string
}

/** One run of everything: a random cluster, a storm of faults under a random load, and then a time in which all has to work. */
export async function runSeed(seed: number, broken: SimulationHooks = {}, calm = false): Promise<SeedReport> {
  try {
    return await new SeedRun(seed, broken, calm).go()
  } catch (error) {
    throw new Error(`Seed ${seed} broke off: ${(error as Error).message}`, { cause: error })
  }
}

class SeedRun {
  readonly #seed: number
  /** No faults, but those that the methods make. */
  readonly #calm: boolean
  #restarts: RestartWatch | undefined
  readonly #broken: SimulationHooks
  readonly #random: Random
  readonly #ledger = new Ledger()
  readonly #violations: Violation[] = []
  readonly #noted = (violation: Violation): void => void this.#violations.push(violation)
  readonly #watch = new WireWatch(LIMITS, this.#noted)
  readonly #actors = new Map<number, Actor>()
  #processes!: Processes
  #booted = false
  #storming = true
  #ended = false

  constructor(seed: number, broken: SimulationHooks, calm: boolean) {
    this.#seed = seed
    this.#calm = calm
    this.#broken = broken
    this.#random = new Random(seed).fork('run')
  }

  async go(): Promise<SeedReport> {
    const sim = await this.#begin()
    this.#restarts = new RestartWatch(
      sim.cluster,
      { max: this.#max, within: WITHIN, slowest: SLOWEST },
      () => sim.clock.now,
      this.#noted,
    )
    sim.cluster.on('overflow', (event) => this.#ledger.overflows.push({ at: sim.clock.now, ...event }))
    void sim.cluster.closed.then(() => {
      this.#ended = true
    })
    if (!this.#calm) sim.startFaults(this.#plan)
    const stopsInStorm = this.#random.chance(STOPPED)
    await sim.clock.advance(stopsInStorm ? STORM / 2 : STORM)
    this.#storming = false
    if (stopsInStorm) await this.#stop(sim, true)
    else if (await this.#healed(sim)) {
      await this.#everythingWorks(sim)
      await this.#stop(sim, false)
    }
    sim.stopFaults()
    await sim.clock.advance(AFTERMATH)
    this.#nothingIsLeft(sim)
    this.#violations.push(...judge(this.#ledger, this.#processes))
    return this.#report(sim, this.#restarts.forks)
  }

  get #workers(): number {
    return 1 + (this.#seed % 4)
  }

  /** Some clusters give up soon, and some never. */
  get #max(): number {
    return [2, 5, 20, 1_000][(this.#seed >> 2) % 4] as number
  }

  /** Methods that a worker runs at once; undefined: as many as its mailbox holds. */
  get #concurrency(): number | undefined {
    return [undefined, undefined, 4, 2][(this.#seed >> 4) % 4]
  }

  get #plan(): FaultPlan {
    const random = this.#random.fork('plan')
    const some = (): number => (random.chance(0.6) ? random.between(0, 3) : 0)
    const share = (): number => (random.chance(0.5) ? random.between(0, 0.4) : 0)
    return {
      every: random.between(40, 400),
      kill: 1 + some(),
      freeze: some(),
      block: some(),
      blockPrimary: some() / 2,
      delay: some(),
      reload: some() / 3,
      scale: some() / 4,
      dropTail: share(),
      slowStart: share(),
      bootFailure: share(),
      earlyCrash: share(),
    }
  }

  async #begin(): Promise<Simulation<UntypedContract>> {
    const broken = this.#broken
    const hooks: SimulationHooks = {
      ...broken,
      pipeSize: PIPE_SIZE,
      lineLimit: LINE_LIMIT,
      sent: (passing: Passing) => {
        this.#watch.sent(passing)
        const { kind, removed, member } = passing.frame as { kind: string; removed?: boolean; member?: { id: number } }
        if (kind === 'member' && removed && member) this.#restarts?.removed(member.id)
      },
      refused: (passing: Passing) => this.#watch.refused(passing),
      links: (ends, worker) => this.#watch.links(broken.links?.(ends, worker) ?? ends, worker),
      built: (processes) => {
        this.#processes = processes
        broken.built?.(processes)
      },
    }
    const primary = new Actor(
      primaryPlace(() => this.#processes.primaryClock),
      this.#ledger,
      this.#random.fork('primary'),
    )
    this.#actors.set(0, primary)
    const sim = await simulate<UntypedContract>(
      {
        seed: this.#seed,
        workers: this.#workers,
        join: { concurrency: this.#concurrency },
        methods: (process) => this.#actorOf(process).methods as never,
        program: (cluster, process) => {
          const actor = this.#actorOf(process)
          actor.join(cluster)
          if (this.#booted) this.#employ(actor)
        },
        options: {
          methods: primary.methods as never,
          limits: LIMITS,
          timeouts: TIMEOUTS,
          restart: { max: this.#max, within: WITHIN, backoff: { min: 20, max: SLOWEST } },
        },
      },
      hooks,
    )
    primary.join(sim.cluster)
    // Before that, the death of a worker would be that of the cluster.
    this.#booted = true
    for (const actor of this.#actors.values()) this.#employ(actor)
    this.#employ(primary)
    return sim
  }

  /** Gives a process something to do at random times, while the storm lasts. */
  #employ(actor: Actor): void {
    actor.work(THINGS, STORM / 2, (one, random) => {
      if (this.#storming) doSomething(one, random, this.#workers)
    })
  }

  #actorOf(process: WorkerProcess): Actor {
    const known = this.#actors.get(process.incarnation)
    if (known) return known
    const place = workerPlace(process, (ms, run) => {
      this.#processes.workers[process.incarnation - 1]?.clock.after(ms, run)
    })
    const actor = new Actor(place, this.#ledger, this.#random.fork(`actor ${process.incarnation}`))
    this.#actors.set(process.incarnation, actor)
    return actor
  }

  // -------------------------------------------------------------------------------- after the storm

  /** False: it has come to its end, because too many workers had died too often. */
  async #healed(sim: Simulation<UntypedContract>): Promise<boolean> {
    try {
      await sim.heal({ limit: RECOVERY })
      return !this.#ended
    } catch (error) {
      // It may be on its way to its end.
      await sim.clock.advance(AFTERMATH)
      if (this.#ended) return false
      this.#note('heals', firstLine(error))
      return true
    }
  }

  /** Everybody calls everybody, and every call has its value. */
  async #everythingWorks(sim: Simulation<UntypedContract>): Promise<void> {
    const living = [...sim.cluster.workers.values()].map(({ id, incarnation }) => ({ id, incarnation }))
    const ask = { method: 'quick', timeout: 1_000, ms: 0 }
    const targets = [...living.map(({ id }) => id), 'any', 'primary'] as const
    for (const from of [0, ...living.map(({ incarnation }) => incarnation)]) {
      const actor = this.#actors.get(from) as Actor
      await this.#works(sim, `calls of ${from}`, Promise.all(targets.map((to) => actor.call({ ...ask, to }))))
      const all = await this.#works(sim, `callAll of ${from}`, actor.callAll('quick', 1_000))
      const refused = [...(all?.values() ?? [])].filter(({ status }) => status === 'rejected')
      if (refused.length > 0 || all?.size !== living.length)
        this.#note('heals', `callAll of ${from} had ${all?.size} outcomes, ${refused.length} of them failures`)
    }
    const primary = this.#actors.get(0) as Actor
    const { came = [] } = (await this.#works(sim, 'a stream', primary.read(WHOLE_STREAM))) ?? {}
    const { items } = WHOLE_STREAM
    if (came.length !== items) this.#note('heals', `a stream gave ${came.length} of ${items} items`)
    for (const channel of CHANNELS) {
      const published = primary.publish(channel, { ack: true, ms: 1, fail: false, timeout: 1_000 })
      const { failed = [] } = ((await this.#works(sim, 'a publish', published)) ?? {}) as { failed?: unknown[] }
      if (failed.length > 0) this.#note('heals', `${failed.length} processes did not acknowledge a publish`)
    }
  }

  async #works<T>(sim: Simulation<UntypedContract>, what: string, promise: Promise<T>): Promise<T | undefined> {
    try {
      return await sim.until(promise, { limit: RECOVERY })
    } catch (error) {
      this.#note('heals', `${what} failed: ${firstLine(error)}`)
      return undefined
    }
  }

  async #stop(sim: Simulation<UntypedContract>, inStorm: boolean): Promise<void> {
    const report = await this.#works(sim, 'stop', sim.cluster.stop())
    if (report && report.killed > 0 && !inStorm) this.#note('heals', `a stop had to kill ${report.killed} workers`)
    if (sim.processes.length > 0) this.#note('quiet', `${sim.processes.length} processes are left after a stop`)
  }

  /** Nobody waits for anything any more: nothing may be pending. */
  #nothingIsLeft(sim: Simulation<UntypedContract>): void {
    const { waiting, receipts, pending } = sim.cluster.stats()
    if (waiting + receipts + pending > 0)
      this.#note('quiet', `${waiting} calls wait, ${receipts} receipts are open, ${pending} calls have no answer`)
    for (const route of this.#watch.serving) this.#note('quiet', `${route} was never ended`)
    if (sim.clock.pending.length > 0) this.#note('quiet', sim.clock.pending.slice(0, 3).join('; '))
    const atOnce = this.#concurrency ?? LIMITS.mailbox
    for (const [who, { most }] of this.#ledger.running)
      if (who !== 0 && most > atOnce)
        this.#note('bounded', `${most} methods ran at once in ${who}, which may run ${atOnce}`)
  }

  #note(invariant: Invariant, what: string): void {
    this.#violations.push({ invariant, what })
  }

  #report(sim: Simulation<UntypedContract>, forks: number): SeedReport {
    const outcomes = new Map<string, number>()
    const calls = this.#ledger.operations.filter(({ kind }) => kind === 'call')
    for (const { kind, key, settlements } of this.#ledger.operations) {
      const [settlement] = settlements
      const error = settlement?.error as { code?: string } | undefined
      const end = !settlement ? 'caller died' : (error?.code ?? (error ? 'unnamed' : 'value'))
      const name = `${key === undefined ? '' : 'keyed '}${kind}: ${end}`
      outcomes.set(name, (outcomes.get(name) ?? 0) + 1)
    }
    for (const { overflow } of this.#ledger.overflows)
      outcomes.set(`overflow: ${overflow}`, (outcomes.get(`overflow: ${overflow}`) ?? 0) + 1)
    return {
      seed: this.#seed,
      violations: this.#violations,
      calls: calls.length,
      forks,
      events: sim.clock.events,
      duration: sim.clock.now,
      outcomes,
      trace: (last) => sim.trace(last),
    }
  }
}

/** Without the seed and the trace, which whoever prints it adds. */
function firstLine(error: unknown): string {
  return (error as Error).message.split('. Seed')[0] as string
}
