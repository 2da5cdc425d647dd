import type { AnyContract } from '../protocol/contract.js'
import type { DownFrame, LifeUpFrame, MemberFrame, MessagingDownFrame, UpFrame } from '../protocol/frames.js'
import { PRIMARY } from '../protocol/ids.js'
import type { MethodTable } from '../protocol/method-table.js'
import type { Clock } from './clock.js'
import { Emitter } from './emitter.js'
import { expectPositiveInteger } from './expect.js'
import type { Logger } from './logger.js'
import { Members } from './messaging/members.js'
import { Messenger, type MessengerOptions } from './messaging/messenger.js'
import { toMethodTable } from './messaging/method-registry.js'
import { Peer } from './messaging/peer.js'
import { Router } from './messaging/router.js'
import type { PrimarySettings } from './options.js'
import type { Child, Launcher } from './supervision/child.js'
import type { ClusterEnd, ClusterEvents } from './supervision/events.js'
import type { Incarnation } from './supervision/incarnation.js'
import type { SupervisorReports } from './supervision/process-watch.js'
import type { RetireReport } from './supervision/retire.js'
import { publicState, type Slot } from './supervision/slot.js'
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
  async stop({ force = false }: StopOptions = {}): Promise<RetireReport> {
    if (!force) return await this.#parts.supervisor.stop()
    const killed = this.processes.size
    await this.#parts.supervisor.kill()
    return { cut: 0, killed }
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
  const events = new Emitter<ClusterEvents>(logger)

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
  const roster = new Roster(members, router, clock, primaryMethods)
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
  const cluster = new PrimaryCluster<C>({
    peer,
    members,
    timeouts,
    primaryMethods,
    refusal,
    supervisor,
    events,
    closed,
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

/** How often workers are told of counts (calls, connections) that have changed, ms. States are told at once. */
const COUNTS_INTERVAL = 1_000

/** Turns the supervisor's word of its processes into the list of members, and passes it on to whoever has joined. */
class Roster {
  readonly #members: Members
  readonly #router: Router
  readonly #clock: Clock
  readonly #primaryMethods: MethodTable
  /** Workers that have called `joinCluster`, by incarnation. */
  readonly #audience = new Map<number, Child>()
  /** What was said last of each live process, and of those whose counts alone have changed since. */
  readonly #frames = new Map<number, MemberFrame>()
  readonly #untold = new Set<number>()

  constructor(members: Members, router: Router, clock: Clock, primaryMethods: MethodTable) {
    this.#members = members
    this.#router = router
    this.#clock = clock
    this.#primaryMethods = primaryMethods
  }

  joined(incarnation: number, child: Child): void {
    this.#audience.set(incarnation, child)
  }

  left(incarnation: number): void {
    this.#audience.delete(incarnation)
    this.#untold.delete(incarnation)
  }

  tell(frame: DownFrame): void {
    for (const child of this.#audience.values()) child.link.send(frame)
  }

  changed(incarnation: Incarnation, slot: Slot, removed: boolean): void {
    const current = slot.state.incarnation === incarnation
    const state = current ? publicState(slot) : incarnation.phase === 'draining' ? 'draining' : 'starting'
    const frame: MemberFrame = {
      kind: 'member',
      member: incarnation.record(state, current),
      gone: incarnation.phase === 'gone',
      removed,
    }
    const previous = this.#frames.get(incarnation.ref.incarnation)
    if (frame.gone) this.#frames.delete(incarnation.ref.incarnation)
    else this.#frames.set(incarnation.ref.incarnation, frame)
    this.#members.apply(frame)
    if (
      previous &&
      !frame.gone &&
      previous.member.state === state &&
      previous.member.current === current &&
      previous.member.methods === frame.member.methods
    ) {
      return this.#countsChanged(incarnation.ref.incarnation)
    }
    this.tell(frame)
    this.#router.membersChanged()
  }

  welcome(): DownFrame & { kind: 'welcome' } {
    const members = [...this.#frames.values()].map(({ member }) => this.#counted(member))
    return { kind: 'welcome', members, primary: this.#primaryMethods }
  }

  #countsChanged(incarnation: number): void {
    if (this.#untold.size === 0) this.#clock.after(COUNTS_INTERVAL, () => this.#tellCounts(), { idle: true })
    this.#untold.add(incarnation)
  }

  #tellCounts(): void {
    for (const incarnation of this.#untold) {
      const frame = this.#frames.get(incarnation)
      if (frame) this.tell({ ...frame, member: this.#counted(frame.member) })
    }
    this.#untold.clear()
  }

  #counted(member: MemberFrame['member']): MemberFrame['member'] {
    return { ...member, calls: this.#router.calls(member.incarnation) }
  }
}
