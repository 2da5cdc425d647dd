import type { AnyContract } from '../protocol/contract.js'
import type { DownFrame, UpFrame } from '../protocol/frames.js'
import type { ProcessRef } from '../protocol/ids.js'
import type { Transport } from '../protocol/transport.js'
import type { Clock } from '../runtime/clock.js'
import type { Limits, Timeouts } from '../runtime/limits.js'
import type { Logger } from '../runtime/logger.js'
import type { DirectPort } from '../runtime/messaging/direct/meetings.js'
import type { ChildEvents, ChildExit } from '../runtime/supervision/child.js'
import { buildWorker, type JoinOptions, type WorkerCluster } from '../runtime/worker.js'
import { WorkerHost } from '../runtime/worker-host.js'
import type { SimulatedChannel } from './simulated-channel.js'
import type { SimulatedLoop } from './simulated-process.js'

/** What a worker's program and methods may know and do of the simulated process that they run in. */
export interface WorkerProcess {
  readonly id: number
  readonly incarnation: number
  readonly pid: number
  /** Virtual milliseconds. */
  now(): number
  /** Resolves `ms` later. */
  sleep(ms: number): Promise<void>
  /** Is busy for `ms`, as with a long piece of JavaScript: from here on nothing else runs, nothing is read or sent. */
  block(ms: number): void
  /** `process.exit(code)`: nothing of it happens after this, but for what the current piece of JavaScript still does. */
  exit(code: number): void
}

/** What runs in every worker. */
export interface WorkerProgram<C extends AnyContract> {
  /** The methods, or what makes those of one process: its own state is then not shared with the other workers. */
  readonly methods: object | ((process: WorkerProcess) => object)
  readonly join: JoinOptions
  /** What the program does after `await joinCluster(…)`. */
  readonly program?: ((cluster: WorkerCluster<C>, process: WorkerProcess) => unknown) | undefined
}

/** How a process starts: as it should, or as a fault has it. */
export interface StartPlan {
  /** Milliseconds until its program runs. */
  readonly delay?: number | undefined
  /** It exits with code 1 before it has joined. */
  readonly fail?: boolean | undefined
  /** It exits with code 1, that many milliseconds after it has joined. */
  readonly crashAfter?: number | undefined
}

export interface SimulatedWorkerOptions {
  readonly ref: ProcessRef
  readonly loop: SimulatedLoop
  readonly clock: Clock
  readonly channel: SimulatedChannel
  /** Asked for when its program runs. */
  readonly link: () => Transport<UpFrame, DownFrame>
  readonly events: ChildEvents
  /** Its direct links, if there may be any; and their end with it. */
  readonly direct: DirectPort | undefined
  readonly died: (tail: number) => void
  readonly program: WorkerProgram<AnyContract>
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly logger: Logger
  /** Runs in the primary, when its kernel has come to it. */
  readonly inPrimary: (what: string, ms: number, run: () => void) => void
  readonly note: (what: string) => void
  /** How long after its channel's end the exit is seen. */
  readonly exitDelay: () => number
}

/** A worker's process: the worker's root over a simulated channel, loop and clock. */
export class SimulatedWorker implements WorkerProcess {
  readonly id: number
  readonly incarnation: number
  readonly pid: number
  readonly loop: SimulatedLoop
  readonly clock: Clock
  /** Its view of the cluster, when it has joined. */
  cluster: WorkerCluster<AnyContract> | undefined
  exited: ChildExit | undefined
  readonly startedAt: number
  /** When it died. */
  diedAt = Number.POSITIVE_INFINITY
  /** The last it wrote. */
  stderr = ''
  /** SIGTERM came while it was frozen: it takes effect when it goes on. */
  #terminated = false
  readonly #options: SimulatedWorkerOptions

  constructor(options: SimulatedWorkerOptions) {
    this.#options = options
    this.id = options.ref.id
    this.incarnation = options.ref.incarnation
    this.pid = 10_000 + this.incarnation
    this.loop = options.loop
    this.clock = options.clock
    this.startedAt = options.clock.now()
  }

  /** As in the trace. */
  get name(): string {
    return `${this.id}/${this.incarnation}`
  }

  get alive(): boolean {
    return this.exited === undefined
  }

  /** Its program runs. */
  start({ fail, crashAfter }: StartPlan): void {
    const { note, events, inPrimary } = this.#options
    note('runs')
    inPrimary('online', 0, () => events.online())
    if (fail) return this.#crash('this start was made to fail')
    this.#join(crashAfter).catch((error: unknown) => this.#crash(error))
  }

  now(): number {
    return this.clock.now()
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve))
  }

  block(ms: number): void {
    this.#options.note(`is blocked for ${ms} ms`)
    this.loop.block(ms)
  }

  exit(code: number): void {
    this.die({ code, signal: null })
  }

  freeze(): void {
    this.#options.note('is frozen')
    this.loop.freeze()
  }

  thaw(): void {
    this.#options.note('is thawed')
    this.loop.thaw()
    if (this.#terminated) this.die({ code: null, signal: 'SIGTERM' })
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (signal === 'SIGTERM' && this.loop.frozen) this.#terminated = true
    else this.die({ code: null, signal })
  }

  /** Ends at once. The last `tail` messages that it has written are lost, too. */
  die(exit: ChildExit, tail = 0): void {
    if (this.exited) return
    this.exited = exit
    this.diedAt = this.clock.now()
    const { note, channel, events, inPrimary, exitDelay, died } = this.#options
    note(`dies: ${exit.signal ?? `exit code ${exit.code}`}${tail > 0 ? `, and ${tail} messages with it` : ''}`)
    this.loop.die()
    died(tail)
    // Node tells of the messages, the end of the channel, and the exit, in this order.
    channel.die(tail, () => {
      events.disconnected()
      inPrimary('exit', exitDelay(), () => events.exited(exit))
    })
  }

  async #join(crashAfter: number | undefined): Promise<void> {
    const { ref, link, limits, timeouts, logger, program, direct } = this.#options
    const { clock } = this
    const host = new WorkerHost({
      identity: { ...ref, primary: 0, signals: false, limits, timeouts },
      link: link(),
      clock,
      drainConnections: async () => 0,
      connections: () => {},
      released: () => {},
      direct,
    })
    const methods = typeof program.methods === 'function' ? program.methods(this) : program.methods
    this.cluster = await buildWorker<AnyContract>(methods, program.join, { host, clock, logger })
    if (crashAfter !== undefined) this.clock.after(crashAfter, () => this.#crash('it was made to crash'))
    await program.program?.(this.cluster, this)
  }

  /** What node does of an error that nobody caught. */
  #crash(error: unknown): void {
    this.stderr = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    this.die({ code: 1, signal: null })
  }
}
