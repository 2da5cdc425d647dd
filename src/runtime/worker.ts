import type { AnyContract } from '../protocol/contract.js'
import { ClusterClosedError, NoSuchWorkerError, UsageError } from '../protocol/errors.js'
import type { DownFrame, MessagingDownFrame, UpFrame, WelcomeFrame } from '../protocol/frames.js'
import type { Clock } from './clock.js'
import { Emitter } from './emitter.js'
import { expectFunction, expectKnown, expectObject, expectPositiveInteger } from './expect.js'
import type { Logger } from './logger.js'
import { DirectSwitch } from './messaging/direct/direct-switch.js'
import { Members } from './messaging/members.js'
import { Messenger, type MessengerOptions } from './messaging/messenger.js'
import { registerMethods, toMethodTable } from './messaging/method-registry.js'
import { Peer } from './messaging/peer.js'
import { resolve } from './messaging/resolve.js'
import { type ClusterEnd, type ClusterEvents, EVENT_NAMES } from './supervision/events.js'
import type { DrainRequest, WorkerHost } from './worker-host.js'

export interface JoinOptions {
  /** Calls that this worker runs at once; 1 makes it a serial actor. Default: no limit but `limits.mailbox`. */
  readonly concurrency?: number | undefined
  /** Where warnings go that no caller can be told. Default: stderr. */
  readonly logger?: Logger | undefined
}

export interface WorkerPorts {
  readonly host: WorkerHost
  readonly clock: Clock
  readonly logger: Logger
}

/** Events that reach a worker: all but the primary's own `message`. */
export type WorkerClusterEvents = Omit<ClusterEvents, 'message'>

/** The cluster as a worker sees it. */
export class WorkerCluster<C extends AnyContract> extends Messenger<C> {
  /** This worker's slot, 1..n. */
  readonly id: number
  /** Which of the slot's processes this is. */
  readonly incarnation: number
  /** Resolves when the link to the primary has ended. A worker does not outlive it for long. */
  readonly closed: Promise<ClusterEnd>
  readonly #parts: WorkerParts

  constructor(parts: WorkerParts) {
    super(parts)
    this.#parts = parts
    this.id = parts.host.identity.id
    this.incarnation = parts.host.identity.incarnation
    this.closed = parts.closed
  }

  /** Says that this worker may receive calls and connections, where the primary waits for it (`ready: 'manual'`). */
  ready(): void {
    this.#parts.host.link.send({ kind: 'ready', cause: 'manual' })
  }

  /**
   * Runs `hook` when this worker is asked to drain, before it ends: close what the runtime cannot know of, such as
   * WebSockets. What it returns is awaited, up to the deadline. Returns what takes the hook back.
   */
  onDrain(hook: (request: DrainRequest) => unknown): () => void {
    expectFunction(hook, 'hook')
    return this.#parts.host.onDrain(hook)
  }

  /** Events of the whole cluster, told by the primary. Returns what removes the listener. */
  on<E extends keyof WorkerClusterEvents>(event: E, listener: (detail: WorkerClusterEvents[E]) => void): () => void {
    return this.#parts.events.on(event, listener)
  }

  off<E extends keyof WorkerClusterEvents>(event: E, listener: (detail: WorkerClusterEvents[E]) => void): void {
    this.#parts.events.off(event, listener)
  }
}

interface WorkerParts extends MessengerOptions {
  readonly host: WorkerHost
  readonly events: Emitter<WorkerClusterEvents>
  readonly closed: Promise<ClusterEnd>
}

/** Wires a worker over the link that its host holds, and joins. The one place where a worker's parts meet. */
export async function buildWorker<C extends AnyContract>(
  methods: object | undefined,
  options: JoinOptions,
  { host, clock, logger }: WorkerPorts,
): Promise<WorkerCluster<C>> {
  if (host.isJoined)
    throw new UsageError('joinCluster was called twice in one worker. Keep what the first call returned')
  const { id, incarnation, limits, timeouts } = host.identity
  const registry = registerMethods(methods, 'methods')
  const concurrency = readConcurrency(options)
  const { link } = host
  const members = new Members()
  const events = new Emitter<WorkerClusterEvents>(
    logger,
    EVENT_NAMES.filter((name) => name !== 'message'),
  )
  const self = { id, incarnation }
  const byPrimary = {
    send: (frame: UpFrame) => link.send(frame),
    isFull: () => link.full,
    castFlushed: () => link.flushed(),
    publishFlushed: () => link.flushed(),
  }
  const deliver = (frame: MessagingDownFrame): void => peer.receive(frame)
  const { direct: port } = host
  const direct = port && new DirectSwitch({ self, primary: byPrimary, port, members, limits, clock, logger, deliver })
  const peer: Peer = new Peer({
    self,
    link: direct ?? byPrimary,
    methods: registry,
    concurrency,
    limits,
    timeouts,
    clock,
    logger,
  })

  let close!: (end: ClusterEnd) => void
  const closed = new Promise<ClusterEnd>((resolveEnd) => {
    close = resolveEnd
  })
  const welcome = await new Promise<WelcomeFrame>((welcomed, refused) => {
    const frame = (frame: DownFrame): void => {
      if (frame.kind === 'welcome') {
        // At once: what follows in the same batch is newer.
        for (const member of frame.members) members.apply(member)
        welcomed(frame)
      } else if (frame.kind === 'member') members.apply(frame)
      else if (frame.kind === 'event') events.emit(frame.name as keyof WorkerClusterEvents, frame.detail as never)
      else if (!direct?.receive(frame)) deliver(frame as MessagingDownFrame)
    }
    const end = (): void => {
      direct?.close()
      peer.close()
      refused(new ClusterClosedError({ method: 'joinCluster' }))
      close({ reason: 'disconnected' })
    }
    host.join({ frame, closed: end }, { idle: () => peer.actor.idle(), cut: () => peer.actor.cut(timeouts.drain) })
    link.send({ kind: 'join', methods: toMethodTable(registry) })
  })

  // One turn later, so that subscriptions made right after `await joinCluster(…)` go out first, in the same batch.
  clock.nextTurn(() => link.send({ kind: 'ready', cause: 'join' }))
  return new WorkerCluster<C>({
    peer,
    members,
    timeouts,
    primaryMethods: welcome.primary,
    refusal(to, method) {
      const resolution = resolve(to, { workers: members.workers, hasRoom: () => true, turn: 0 })
      return resolution.kind === 'nobody'
        ? new NoSuchWorkerError({ target: to || 'primary', method, reason: resolution.reason, sent: 'no' })
        : undefined
    },
    host,
    events,
    closed,
  })
}

function readConcurrency(options: JoinOptions): number {
  expectObject(options, 'options')
  expectKnown(options, ['concurrency', 'logger'], '')
  return options.concurrency === undefined
    ? Number.POSITIVE_INFINITY
    : expectPositiveInteger(options.concurrency, 'concurrency')
}
