import {
  type DownFrame,
  type DrainFrame,
  PROTOCOL_VERSION,
  type ReleaseFrame,
  type UpFrame,
} from '../protocol/frames.js'
import type { Transport } from '../protocol/transport.js'
import type { Clock } from './clock.js'
import { within } from './within.js'
import type { WorkerIdentity } from './worker-identity.js'

/** What an `onDrain` hook is told. */
export interface DrainRequest {
  readonly mode: 'stop' | 'reload'
  /** Milliseconds left; what is open after that is cut. */
  readonly within: number
}

export interface WorkerHostOptions {
  readonly identity: WorkerIdentity
  readonly link: Transport<UpFrame, DownFrame>
  readonly clock: Clock
  /** Closes this process's connections by the deadline; gives how many it had to cut. `hooks` are the program's own. */
  readonly drainConnections: (request: DrainFrame, hooks: Promise<unknown>) => Promise<number>
  /** From now on SIGTERM may end the process. */
  readonly released: () => void
}

/** Where the preload leaves the host for `joinCluster`, also for one that was bundled into the program. */
const PLACE = Symbol.for('troupe.worker')

/**
 * A worker process's side of its own life: greets the primary, drains when asked. Made before the user's program runs, and
 * there whether or not it ever calls `joinCluster`. Whoever joins gets all other frames.
 */
export class WorkerHost {
  readonly identity: WorkerIdentity
  readonly link: Transport<UpFrame, DownFrame>
  readonly #options: WorkerHostOptions
  /** The program's hooks, run at `drain`; and the messaging's, run at `release`. */
  readonly #drainHooks = new Set<(request: DrainRequest) => unknown>()
  #idle: () => Promise<void> = () => Promise.resolve()
  #joined: { frame(frame: DownFrame): void; closed(): void } | undefined

  constructor(options: WorkerHostOptions) {
    this.#options = options
    this.identity = options.identity
    this.link = options.link
    options.link.send({ kind: 'hello', version: PROTOCOL_VERSION, incarnation: options.identity.incarnation })
    options.link.receive({
      frame: (frame) => this.#receive(frame),
      closed: () => this.#joined?.closed(),
    })
  }

  static find(): WorkerHost | undefined {
    return (globalThis as { [PLACE]?: WorkerHost })[PLACE]
  }

  publishForJoin(): void {
    Object.defineProperty(globalThis, PLACE, { value: this, configurable: true })
  }

  get isJoined(): boolean {
    return this.#joined !== undefined
  }

  /** `idle` resolves when no method runs any more. */
  join(receiver: { frame(frame: DownFrame): void; closed(): void }, idle: () => Promise<void>): void {
    this.#joined = receiver
    this.#idle = idle
  }

  onDrain(hook: (request: DrainRequest) => unknown): () => void {
    this.#drainHooks.add(hook)
    return () => this.#drainHooks.delete(hook)
  }

  #receive(frame: DownFrame): void {
    if (frame.kind === 'drain') void this.#drain(frame)
    else if (frame.kind === 'release') void this.#release(frame)
    else this.#joined?.frame(frame)
  }

  async #drain(frame: DrainFrame): Promise<void> {
    const { clock, drainConnections } = this.#options
    const left = frame.deadline - clock.now()
    // A hook that throws must not keep the connections from draining; it is the program's error, so it is printed as one.
    const hooks = [...this.#drainHooks].map(async (hook) => hook({ mode: frame.mode, within: left }))
    for (const hook of hooks)
      hook.catch((error: unknown) => process.emitWarning(error instanceof Error ? error : String(error)))
    const settled = within(clock, left, Promise.allSettled(hooks))
    const [cut] = await Promise.all([drainConnections(frame, settled), settled])
    this.link.send({ kind: 'drained', cut })
  }

  async #release(frame: ReleaseFrame): Promise<void> {
    const { clock } = this.#options
    await within(clock, frame.deadline - clock.now(), this.#idle())
    this.#options.released()
    this.link.send({ kind: 'released' })
  }
}
