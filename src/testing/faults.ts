import type { Machine } from './machine.js'
import type { Random } from './random.js'
import { MACHINE } from './simulated-process.js'
import type { SimulatedWorker, StartPlan } from './simulated-worker.js'
import type { VirtualEvent, VirtualTime } from './virtual-time.js'

/** Which faults befall a cluster at random, and how often each. What is absent does not happen. */
export interface FaultPlan {
  /** Milliseconds between two faults, on average. Default 250. */
  readonly every?: number | undefined
  /** Weights, each against the sum of all. SIGKILL. */
  readonly kill?: number | undefined
  /** SIGSTOP, and SIGCONT a while later. */
  readonly freeze?: number | undefined
  /** The event loop is busy for a while. */
  readonly block?: number | undefined
  /** As `block`, of the primary. */
  readonly blockPrimary?: number | undefined
  /** Messages from and to a worker take longer for a while. */
  readonly delay?: number | undefined
  /** `cluster.reload()` and `cluster.scale()`, as a deploy in the middle of it all. */
  readonly reload?: number | undefined
  readonly scale?: number | undefined
  /** Shares, 0 to 1. Of the kills, those that lose the last messages that had been written. */
  readonly dropTail?: number | undefined
  /** Of the starts, those that take seconds, that fail, and that crash soon after they were ready. */
  readonly slowStart?: number | undefined
  readonly bootFailure?: number | undefined
  readonly earlyCrash?: number | undefined
}

/** The weighted ones. */
export const KINDS = ['kill', 'freeze', 'block', 'blockPrimary', 'delay', 'reload', 'scale'] as const
type Kind = (typeof KINDS)[number]

const EVERY = 250
/** How long each lasts, ms: most are short, so that the cluster has to go on; some are longer than the default of a call. */
const FREEZE = [5, 3_000] as const
const BLOCK = [1, 1_500] as const
const BLOCK_PRIMARY = [1, 300] as const
const DELAY = [1, 200] as const
const DELAYED_FOR = [50, 1_000] as const
const SLOW_START = [500, 6_000] as const
const CRASH_AFTER = [0, 100] as const
const TAIL = 5
/** A reload has to prove itself for so long, ms. */
const SETTLE = 200

export interface FaultsOptions {
  readonly machine: Machine
  readonly time: VirtualTime
  readonly random: Random
  readonly workers: number
  readonly reload: (settle: number) => Promise<unknown>
  readonly scale: (workers: number) => Promise<unknown>
}

/** Lets faults befall a cluster at random times, by a plan and a seed, until it is told to stop. */
export class Faults {
  readonly #options: FaultsOptions
  #next: VirtualEvent | undefined
  /** What ends by itself later. */
  readonly #ends = new Set<VirtualEvent>()
  #scaled = false

  constructor(options: FaultsOptions) {
    this.#options = options
  }

  begin(plan: FaultPlan): void {
    this.stop()
    this.#options.machine.defaultPlan = () => this.#startPlan(plan)
    this.#schedule(plan)
  }

  /** No more of them; those that last end now. */
  stop(): void {
    const { machine, time } = this.#options
    if (this.#next) time.cancel(this.#next)
    for (const end of [...this.#ends]) {
      time.cancel(end)
      end.run()
    }
    machine.defaultPlan = () => ({})
    machine.plans.clear()
    machine.delays.clear()
    for (const worker of machine.living) if (worker.loop.frozen) worker.thaw()
  }

  /** Has the number of workers been changed? */
  get scaled(): boolean {
    return this.#scaled
  }

  #schedule(plan: FaultPlan): void {
    const { time, random } = this.#options
    const every = plan.every ?? EVERY
    const weights = Object.fromEntries(KINDS.map((kind) => [kind, plan[kind] ?? 0])) as Record<Kind, number>
    const fault = (): void => {
      const kind = random.weighted(weights)
      if (kind) this.#befall(kind, plan)
      this.#schedule(plan)
    }
    // Idle: a cluster that has nothing to do is quiet, also when something is about to befall it.
    const at = time.now + random.between(0, 2 * every)
    this.#next = time.at(at, MACHINE, fault, { idle: true, what: 'a fault' })
  }

  #befall(kind: Kind, plan: FaultPlan): void {
    const { machine, random, workers } = this.#options
    if (kind === 'blockPrimary') return machine.primary.block(this.#short(BLOCK_PRIMARY))
    if (kind === 'reload') return this.#deploy(this.#options.reload(SETTLE))
    if (kind === 'scale') {
      this.#scaled = true
      return this.#deploy(this.#options.scale(1 + random.below(workers + 1)))
    }
    const worker = random.pick(machine.living)
    if (!worker) return
    if (kind === 'kill') this.#kill(worker, plan)
    else if (kind === 'freeze') this.#freeze(worker)
    else if (kind === 'block') worker.block(this.#short(BLOCK))
    else this.#delay(worker.id)
  }

  #kill(worker: SimulatedWorker, { dropTail = 0 }: FaultPlan): void {
    const { random } = this.#options
    worker.die({ code: null, signal: 'SIGKILL' }, random.chance(dropTail) ? 1 + random.below(TAIL) : 0)
  }

  #freeze(worker: SimulatedWorker): void {
    worker.freeze()
    this.#later(this.#short(FREEZE), () => worker.thaw())
  }

  #delay(id: number): void {
    const { machine, random } = this.#options
    machine.delays.set(id, this.#short(DELAY))
    this.#later(random.between(...DELAYED_FOR), () => machine.delays.delete(id))
  }

  /** It may be refused, or fail by another fault. */
  #deploy(done: Promise<unknown>): void {
    done.catch(() => {})
  }

  #later(ms: number, end: () => void): void {
    const { time } = this.#options
    const event = time.at(
      time.now + ms,
      MACHINE,
      () => {
        this.#ends.delete(event)
        end()
      },
      { what: 'the end of a fault' },
    )
    this.#ends.add(event)
  }

  /** Rather short than long. */
  #short([min, max]: readonly [number, number]): number {
    const share = this.#options.random.next()
    return min + (max - min) * share * share * share
  }

  #startPlan({ slowStart = 0, bootFailure = 0, earlyCrash = 0 }: FaultPlan): StartPlan {
    const { random } = this.#options
    return {
      delay: random.chance(slowStart) ? random.between(...SLOW_START) : undefined,
      fail: random.chance(bootFailure),
      crashAfter: random.chance(earlyCrash) ? random.between(...CRASH_AFTER) : undefined,
    }
  }
}
