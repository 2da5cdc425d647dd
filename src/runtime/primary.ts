import type { AnyContract } from '../protocol/contract.js'
import type { LifeUpFrame, MessagingDownFrame, UpFrame } from '../protocol/frames.js'
import { PRIMARY } from '../protocol/ids.js'
import type { Clock } from './clock.js'
import { Emitter } from './emitter.js'
import { expectBoolean, expectKnown, expectObject, expectPositiveInteger } from './expect.js'
import type { Logger } from './logger.js'
import { Members } from './messaging/members.js'
import { Messenger, type MessengerOptions } from './messaging/messenger.js'
import { toMethodTable } from './messaging/method-registry.js'
import { Peer } from './messaging/peer.js'
import { Router, type RouterStats } from './messaging/router.js'
import type { PrimarySettings } from './options.js'
import { Roster } from './roster.js'
import type { Launcher } from './supervision/child.js'
import { type ClusterEnd, type ClusterEvents, EVENT_NAMES } from './supervision/events.js'
import type { SupervisorReports } from './supervision/process-watch.js'
import type { RetireReport } from './supervision/retire.js'
import { Supervisor } from './supervision/supervisor.js'
import { memoryLink } from './transports/memory.js'

export interface PrimaryPorts {
  readonly clock: Clock
  readonly random: () => number
  readonly launcher: Launcher
  readonly logger: Logger
}

export interface StopOptions {
  /** End every worker now, with SIGKILL, instead of draining. Default false. */
  readonly force?: boolean | undefined
}

export interface PrimaryStats extends RouterStats {
  /** Calls of the primary itself that have no answer yet. */
  readonly pending: number
}

/** The cluster as the primary sees and rules it. */
export class PrimaryCluster<C extends AnyContract> extends Messenger<C> implements AsyncDisposable {
  /** Resolves when every worker is gone, with the reason. Never rejects. */
  readonly closed: Promise<ClusterEnd>
  readonly #parts: PrimaryParts

  constructor(parts: PrimaryParts) {
    super(parts)
    this.#parts = parts
    this.closed = parts.closed
  }

  /**
   * Replaces every worker, one after the other: a new one is ready before the old one drains. Rejects with `ReloadError`
   * when a new one fails. One reload runs and one may be queued; later callers share the queued one.
   */
  reload(): Promise<void> {
    return this.#parts.supervisor.reload()
  }

  /** Changes the number of workers; resolves when they are ready, or drained and gone. Ids go and come at the upper end. */
  async scale(workers: number): Promise<void> {
    await this.#parts.supervisor.scale(expectPositiveInteger(workers, 'workers'))
  }

  /** Ends the cluster: connections drain, then calls, then the workers get SIGTERM. Resolves with what was done by force. */
  async stop(options: StopOptions = {}): Promise<RetireReport> {
    expectKnown(expectObject(options, 'options'), ['force'], 'options.')
    const force = expectBoolean(options.force ?? false, 'options.force')
    if (!force) return await this.#parts.supervisor.stop()
    const killed = this.processes.size
    await this.#parts.supervisor.kill()
    return { cut: 0, killed }
  }

  /** What waits and what was lost, as numbers since the start: for a health endpoint. */
  stats(): PrimaryStats {
    return this.#parts.stats()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Returns what removes the listener. */
  on<E extends keyof ClusterEvents>(event: E, listener: (detail: ClusterEvents[E]) => void): () => void {
    return this.#parts.events.on(event, listener)
  }

  off<E extends keyof ClusterEvents>(event: E, listener: (detail: ClusterEvents[E]) => void): void {
    this.#parts.events.off(event, listener)
  }
}

interface PrimaryParts extends MessengerOptions {
  readonly supervisor: Supervisor
  readonly stats: () => PrimaryStats
  readonly events: Emitter<ClusterEvents>
  readonly closed: Promise<ClusterEnd>
}

/** A primary that is wired and has not started anyone yet. */
export interface BuiltPrimary<C extends AnyContract> {
  readonly cluster: PrimaryCluster<C>
  readonly supervisor: Supervisor
  /** Starts the workers; rejects with `BootError` when one fails. */
  boot(): Promise<void>
}

/** Wires the primary from its ports. The one place where its parts meet; the simulator calls it with ports of its own. */
export function buildPrimary<C extends AnyContract>(settings: PrimarySettings, ports: PrimaryPorts): BuiltPrimary<C> {
  const { clock, random, launcher, logger } = ports
  const { methods, limits, timeouts } = settings
  const members = new Members({ calls: (incarnation) => router.calls(incarnation) })
  const router: Router = new Router({ members, limits, timeouts, clock, logger })
  const events = new Emitter<ClusterEvents>(logger, EVENT_NAMES)

  // The primary's own messaging talks to the router as a worker's does: up at once, so that what the router refuses is
  // refused to whoever asks; down over a link inside the process, so that no answer arrives inside the question.
  const [toPeer, fromRouter] = memoryLink<MessagingDownFrame, never>()
  const peer = new Peer({
    self: PRIMARY,
    link: {
      send: (frame) => router.receive(PRIMARY.incarnation, frame),
      full: false,
      castFlushed: () => router.castFlushed(),
      publishFlushed: () => router.publishFlushed(),
    },
    methods,
    concurrency: Number.POSITIVE_INFINITY,
    limits,
    timeouts,
    clock,
    logger,
  })
  fromRouter.receive({ frame: (frame) => peer.receive(frame), closed: () => peer.close() })
  router.attach(PRIMARY, toPeer)

  let close!: (end: ClusterEnd) => void
  const closed = new Promise<ClusterEnd>((resolve) => {
    close = resolve
  })
  const primaryMethods = toMethodTable(methods)
  const roster = new Roster({ members, router, clock, primaryMethods })
  const supervisor: Supervisor = new Supervisor({
    ...settings,
    clock,
    random,
    launcher,
    calls: router,
    reports: {
      launched(ref, child) {
        router.attach(ref, child.link)
        child.link.receive({
          frame: (frame) => {
            if (frame.kind === 'join') roster.joined(ref.incarnation, child)
            if (isLife(frame)) supervisor.receive(ref, frame)
            else router.receive(ref.incarnation, frame)
          },
          closed: () => {},
        })
      },
      member: (incarnation, { slot, removed }) => roster.changed(incarnation, slot, removed),
      gone(ref, { pid, exitCode, signal }) {
        roster.left(ref.incarnation)
        router.detach(ref.incarnation, { pid, exitCode, signal })
      },
      event(name, detail) {
        events.emit(name, detail)
        if (name !== 'message') roster.tell({ kind: 'event', name, detail })
      },
      welcome: () => roster.welcome(),
      ended(end) {
        router.close()
        peer.close()
        close(end)
      },
    } satisfies SupervisorReports,
  })
  const refusal = router.refusal.bind(router)
  const stats = (): PrimaryStats => ({ ...router.stats(), pending: peer.caller.pending })
  const cluster = new PrimaryCluster<C>({
    peer,
    members,
    timeouts,
    primaryMethods,
    refusal,
    supervisor,
    events,
    closed,
    stats,
  })
  return { cluster, supervisor, boot: () => supervisor.boot() }
}

const LIFE: ReadonlySet<string> = new Set<LifeUpFrame['kind']>([
  'hello',
  'join',
  'ready',
  'listens',
  'load',
  'drained',
  'released',
])

function isLife(frame: UpFrame): frame is LifeUpFrame {
  return LIFE.has(frame.kind)
}
