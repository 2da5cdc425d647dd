import {
  type ConnectionDownFrame,
  type DownFrame,
  type DrainFrame,
  PROTOCOL_VERSION,
  type ProbeFrame,
  type ReleaseFrame,
  type UpFrame,
} from '../protocol/frames.js'
import type { Transport } from '../protocol/transport.js'
import type { Clock } from './clock.js'
import type { DirectPort } from './messaging/direct/meetings.js'
import { NO_VITALS, Pulse, type Vitals } from './pulse.js'
import { within } from './within.js'
import type { WorkerIdentity } from './worker-identity.js'

/** What an `onDrain` hook is told. */
export interface DrainRequest {
  readonly mode: 'stop' | 'reload'
  /** Milliseconds left; what is open after that is cut. */
  readonly within: number
}

/** What runs in this process for others. */
export interface CallsHere {
  /** Resolves when no method runs any more. */
  idle(): Promise<void>
  /** Ends what may go on for ever. */
  cut(): void
}

export interface WorkerHostOptions {
  readonly identity: WorkerIdentity
  readonly link: Transport<UpFrame, DownFrame>
  readonly clock: Clock
  /** Closes this process's connections by the deadline; gives how many it had to cut. `hooks` are the program's own. */
  readonly drainConnections: (request: DrainFrame, hooks: Promise<unknown>) => Promise<number>
  /** Frames about listening and connections, which are the preload's business. */
  readonly connections: (frame: ConnectionDownFrame, handle: unknown) => void
  /** From now on SIGTERM may end the process. */
  readonly released: () => void
  /** What its signs of life say of the process, and what closes an inspector that was opened for a stack. */
  readonly vitals?: () => Vitals
  readonly closeInspector?: () => void
  /** Makes direct links to other workers, where there are any. */
  readonly direct?: DirectPort | undefined
}

/** Signs of life within `timeouts.heartbeat`: one that is late, or two, must not look like death. */
const BEATS = 4

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
  readonly #pulse: Pulse
  /** The program's hooks, run at `drain`; and the messaging's, run at `release`. */
  readonly #drainHooks = new Set<(request: DrainRequest) => unknown>()
  #calls: CallsHere = { idle: () => Promise.resolve(), cut: () => {} }
  /** What came for the messaging before `joinCluster` was called. */
  readonly #early: DownFrame[] = []
  #joined: { frame(frame: DownFrame): void; closed(): void } | undefined

  constructor(options: WorkerHostOptions) {
    this.#options = options
    this.identity = options.identity
    this.link = options.link
    options.link.send({ kind: 'hello', version: PROTOCOL_VERSION, incarnation: options.identity.incarnation })
    this.#pulse = new Pulse({
      clock: options.clock,
      link: options.link,
      interval: options.identity.timeouts.heartbeat / BEATS,
      vitals: options.vitals ?? (() => NO_VITALS),
    })
    options.link.receive({
      frame: (frame, handle) => this.#receive(frame, handle),
      closed: () => this.#joined?.closed(),
    })
  }

  static find(): WorkerHost | undefined {
    return (globalThis as { [PLACE]?: WorkerHost })[PLACE]
  }

  publishForJoin(): void {
    Object.defineProperty(globalThis, PLACE, { value: this, configurable: true })
  }

  get direct(): DirectPort | undefined {
    return this.#options.direct
  }

  get isJoined(): boolean {
    return this.#joined !== undefined
  }

  join(receiver: { frame(frame: DownFrame): void; closed(): void }, calls: CallsHere): void {
    this.#joined = receiver
    this.#calls = calls
    for (const frame of this.#early.splice(0)) receiver.frame(frame)
  }

  onDrain(hook: (request: DrainRequest) => unknown): () => void {
    this.#drainHooks.add(hook)
    return () => this.#drainHooks.delete(hook)
  }

  #receive(frame: DownFrame, handle: unknown): void {
    if (frame.kind === 'drain') void this.#drain(frame)
    else if (frame.kind === 'release') void this.#release(frame)
    else if (frame.kind === 'probe') this.#answer(frame)
    else if (isConnection(frame)) this.#options.connections(frame, handle)
    else if (this.#joined) this.#joined.frame(frame)
    // A worker that listens is ready before it has joined. One that never joins has no use for them.
    else if (this.#early.length < this.identity.limits.mailbox) this.#early.push(frame)
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

  #answer({ closeInspector }: ProbeFrame): void {
    if (closeInspector) this.#options.closeInspector?.()
    this.#pulse.beat()
  }

  async #release(frame: ReleaseFrame): Promise<void> {
    const { clock } = this.#options
    await within(clock, frame.deadline - clock.now(), this.#calls.idle())
    this.#calls.cut()
    this.#options.released()
    this.link.send({ kind: 'released' })
  }
}

const CONNECTIONS: ReadonlySet<string> = new Set<ConnectionDownFrame['kind']>([
  'bound',
  'level',
  'connection',
  'awaited',
  'candidates',
])

function isConnection(frame: DownFrame): frame is ConnectionDownFrame {
  return CONNECTIONS.has(frame.kind)
}
