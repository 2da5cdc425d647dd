import type { AnyContract } from '../protocol/contract.js'
import { expectNumber } from '../runtime/expect.js'
import type { PrimaryCluster } from '../runtime/primary.js'
import type { ClusterEnd } from '../runtime/supervision/events.js'
import type { WorkerCluster } from '../runtime/worker.js'
import { expectFaults, expectPromise, expectStart, expectTime, expectWorkerId } from './expect-plan.js'
import type { FaultPlan, Faults } from './faults.js'
import type { Machine } from './machine.js'
import type { SimulatedWorker, StartPlan, WorkerProcess } from './simulated-worker.js'
import { SimulationError } from './simulation-error.js'
import type { Trace } from './trace.js'
import type { VirtualTime } from './virtual-time.js'

/** How much virtual time a wait takes at most when nobody says otherwise, ms. */
const LIMIT = 3_600_000
/** Entries of the trace that an error shows. */
const TAIL = 30

export interface SimulationParts<C extends AnyContract> {
  readonly seed: number
  readonly workers: number
  readonly cluster: PrimaryCluster<C>
  readonly machine: Machine
  readonly time: VirtualTime
  readonly trace: Trace
  readonly faults: Faults
}

/** A cluster in this one process, in virtual time, and what can be done to it. */
export class Simulation<C extends AnyContract> {
  readonly seed: number
  /** What `createCluster` gives. Nothing happens in it but while `advance`, `run`, `until` or `heal` is awaited. */
  readonly cluster: PrimaryCluster<C>
  readonly clock: SimulatedClock
  readonly #parts: SimulationParts<C>
  #end: ClusterEnd | undefined

  constructor(parts: SimulationParts<C>) {
    this.#parts = parts
    this.seed = parts.seed
    this.cluster = parts.cluster
    void parts.cluster.closed.then((end) => {
      this.#end = end
    })
    this.clock = new SimulatedClock(parts.time, (message) => this.#error(message))
  }

  // -------------------------------------------------------------------------------------------- time

  /** `clock.until`: lets time pass until the promise has settled, and gives what it gives. */
  async until<T>(promise: Promise<T>, options: { readonly limit?: number } = {}): Promise<T> {
    return await this.clock.until(promise, options)
  }

  // ------------------------------------------------------------------------------------------ faults

  /** SIGKILL. With `tail`, the last messages that it had written are lost, too. False: nobody lives there. */
  kill(id: number, { tail = 0 }: { readonly tail?: number } = {}): boolean {
    expectNumber(tail, 'tail', 0, Number.MAX_SAFE_INTEGER)
    return this.#with(id, (worker) => worker.die({ code: null, signal: 'SIGKILL' }, tail))
  }

  /** It ends by itself, with that code: `process.exit()`, an exception. */
  exit(id: number, code = 1): boolean {
    expectNumber(code, 'code', 0, 255)
    return this.#with(id, (worker) => worker.exit(code))
  }

  /** SIGSTOP: it does nothing until it is thawed, or killed. */
  freeze(id: number): boolean {
    return this.#with(id, (worker) => worker.freeze())
  }

  /** SIGCONT: what was due meanwhile happens now. */
  thaw(id: number): boolean {
    return this.#with(id, (worker) => worker.thaw())
  }

  /** Its event loop, or the primary's, is busy for `ms` from now. */
  block(id: number | 'primary', ms: number): boolean {
    const { machine } = this.#parts
    expectTime(ms, 'ms')
    if (id !== 'primary') return this.#with(id, (worker) => worker.block(ms))
    machine.primary.block(ms)
    return true
  }

  /** From now on a message from or to the workers of that id takes `ms` longer. 0: no longer than usual. */
  delay(id: number, ms: number): void {
    expectWorkerId(id)
    expectTime(ms, 'ms')
    this.#parts.machine.delays.set(id, ms)
  }

  /** How the next process of that id starts. Called again: the one after it. */
  nextStart(id: number, plan: StartPlan): void {
    const { plans } = this.#parts.machine
    expectWorkerId(id)
    plans.set(id, [...(plans.get(id) ?? []), expectStart(plan)])
  }

  /** Lets faults befall the cluster at random, by the seed, until `stopFaults` or `heal`. */
  startFaults(plan: FaultPlan): void {
    this.#parts.faults.begin(expectFaults(plan, 'faults'))
  }

  /** Ends all faults; who is frozen is thawed. */
  stopFaults(): void {
    this.#parts.faults.stop()
  }

  /**
   * Ends all faults, and lets time pass until every worker is ready and nothing is under way: from here on everything has to
   * work. Rejects when that does not come to be within `limit` ms, or the cluster ends: many faults are more restarts than
   * `restart.max` allows.
   */
  async heal({ limit = LIMIT }: { readonly limit?: number } = {}): Promise<void> {
    const { faults, workers, cluster, time } = this.#parts
    expectTime(limit, 'limit')
    this.stopFaults()
    if (faults.scaled) await this.until(cluster.scale(workers), { limit })
    const healthy = (): boolean =>
      cluster.workers.size > 0 && [...cluster.workers.values()].every(({ state }) => state === 'ready')
    if (await time.runUntil(() => this.#end !== undefined || (healthy() && time.quiet), limit)) {
      if (!this.#end) return
      const why = this.#end.reason === 'failed' ? ` (${this.#end.error.message})` : ''
      throw this.#error(`The cluster came to its end: ${this.#end.reason}${why}`)
    }
    const states = [...cluster.workers.values()].map(({ id, state }) => `worker ${id} is ${state}`).join(', ')
    throw this.#error(`The cluster did not recover within ${limit} ms: ${states || 'it has no workers'}`)
  }

  // ------------------------------------------------------------------------------------ what there is

  /** The live processes, those that drain or start included. */
  get processes(): readonly WorkerProcess[] {
    return this.#parts.machine.living
  }

  /** The live process that the id means, or, while it means none, that is started for it. */
  process(id: number): WorkerProcess | undefined {
    return this.#process(id)
  }

  /** The cluster as the worker of that id sees it: what `joinCluster` gave its program. */
  worker(id: number): WorkerCluster<C> {
    const { cluster } = this.#process(id) ?? {}
    if (!cluster) throw this.#error(`Worker ${id} has not joined, or there is none`)
    return cluster as unknown as WorkerCluster<C>
  }

  /** What happened so far, a line each; the same for the same seed, to the byte. `last`: that many from the end. */
  trace(last?: number): string {
    return this.#parts.trace.text(last)
  }

  #process(id: number): SimulatedWorker | undefined {
    const { machine, cluster } = this.#parts
    const living = machine.living.filter((worker) => worker.id === id)
    const current = cluster.workers.get(id)?.incarnation
    return living.find(({ incarnation }) => incarnation === current) ?? living.at(-1)
  }

  #with(id: number, act: (worker: SimulatedWorker) => void): boolean {
    expectWorkerId(id)
    const worker = this.#process(id)
    if (worker) act(worker)
    return worker !== undefined
  }

  #error(message: string): SimulationError {
    return new SimulationError(`${message}. Seed ${this.seed}; the last that happened:\n${this.trace(TAIL)}`)
  }
}

/** Virtual time. It moves only while one of these is awaited, one at a time. */
export class SimulatedClock {
  readonly #time: VirtualTime
  readonly #error: (message: string) => SimulationError

  constructor(time: VirtualTime, error: (message: string) => SimulationError) {
    this.#time = time
    this.#error = error
  }

  /** Milliseconds. */
  get now(): number {
    return this.#time.now
  }

  /** How many events have run: a measure of how much a seed does. */
  get events(): number {
    return this.#time.events
  }

  /** What is still to happen, but for periodic looks: "worker 2/5: a timer of 40 ms, at 1204.300". */
  get pending(): readonly string[] {
    return this.#time.pending
  }

  /** Lets `ms` pass. */
  async advance(ms: number): Promise<void> {
    await this.#time.advance(expectTime(ms, 'ms'))
  }

  /**
   * Lets time pass until nothing is left to happen but periodic looks: every call answered or timed out, every restart
   * made. Rejects when there still is after `limit` ms, and says what.
   */
  async run({ limit = LIMIT }: { readonly limit?: number } = {}): Promise<void> {
    const time = this.#time
    expectTime(limit, 'limit')
    if (await time.runUntil(() => time.quiet, limit)) return
    throw this.#error(`Still not quiet after ${limit} ms: ${time.pending.slice(0, 5).join('; ')}`)
  }

  /** Lets time pass until the promise has settled, and gives what it gives. */
  async until<T>(promise: Promise<T>, { limit = LIMIT }: { readonly limit?: number } = {}): Promise<T> {
    expectPromise(promise)
    expectTime(limit, 'limit')
    let settled = false
    const settle = (): void => {
      settled = true
    }
    promise.then(settle, settle)
    if (!(await this.#time.runUntil(() => settled, limit)))
      throw this.#error(`The promise was not settled within ${limit} ms of virtual time`)
    return await promise
  }
}
