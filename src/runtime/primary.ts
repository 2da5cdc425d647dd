import type { AnyContract } from '../protocol/contract.js'
import type {
  BrokeredFrame,
  BusyFrame,
  ConnectionUpFrame,
  FenceFrame,
  LifeUpFrame,
  MessagingDownFrame,
  MessagingUpFrame,
  UpFrame,
} from '../protocol/frames.js'
import { PRIMARY, type ProcessRef } from '../protocol/ids.js'
import type { Clock } from './clock.js'
import { ConnectionRouter, type Standing } from './connections/connection-router.js'
import type { ConnectionStats } from './connections/connection-stats.js'
import type { Sockets } from './connections/sockets.js'
import { Emitter } from './emitter.js'
import { expectBoolean, expectKnown, expectObject, expectPositiveInteger } from './expect.js'
import type { Limits } from './limits.js'
import type { Logger } from './logger.js'
import { LinkBroker, type MeetingPlace } from './messaging/direct/link-broker.js'
import { Members } from './messaging/members.js'
import { Messenger, type MessengerOptions } from './messaging/messenger.js'
import { toMethodTable } from './messaging/method-registry.js'
import { Peer } from './messaging/peer.js'
import { Router, type RouterStats } from './messaging/router.js'
import type { PrimarySettings } from './options.js'
import { receiverOf } from './receiver-of.js'
import { type ReloadOptions, readReload } from './reload-options.js'
import { Roster } from './roster.js'
import type { Launcher } from './supervision/child.js'
import {
  type ClusterEnd,
  type ClusterEvents,
  EVENT_NAMES,
  type ReloadReport,
  type RetireReport,
} from './supervision/events.js'
import type { Incarnation } from './supervision/incarnation.js'
import type { SupervisorReports } from './supervision/process-watch.js'
import { Supervisor } from './supervision/supervisor.js'
import { memoryLink } from './transports/memory.js'

export interface PrimaryPorts {
  readonly clock: Clock
  readonly random: () => number
  readonly launcher: Launcher
  readonly sockets: Sockets
  readonly logger: Logger
  /** Where workers meet for direct links; absent: they have none. */
  readonly place?: MeetingPlace | undefined
}

export interface StopOptions {
  /** End every worker now, with SIGKILL, instead of draining. Default false. */
  readonly force?: boolean | undefined
}

export interface PrimaryStats extends RouterStats {
  /** Calls of the primary itself that have no answer yet. */
  readonly pending: number
  readonly connections: ConnectionStats
  /** What all of that may come to. */
  readonly limits: Limits
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
   * Replaces every worker, or none. New ones start beside those that serve, take over together when all are ready and have
   * stayed alive for `settle` ms, and then the old ones drain; resolves when those have ended. Rejects with `ReloadError` when
   * a new one fails: then the old ones serve on as if nothing had been. With `ClusterClosedError`, at once, when the cluster
   * is stopped meanwhile.
   *
   * One reload runs and one may be queued. Later callers share the queued one, which takes of each option the value given
   * last. After a success, restarts and `scale` start workers by the new options too.
   */
  async reload(options: ReloadOptions = {}): Promise<ReloadReport> {
    return await this.#parts.supervisor.reload(readReload(options))
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
  const { clock, random, launcher, sockets, logger, place } = ports
  const { methods, limits, timeouts, plans } = settings
  const members = new Members({ calls: (incarnation) => router.calls(incarnation) })
  const router: Router = new Router({
    members,
    limits,
    timeouts,
    clock,
    logger,
    overflow(detail) {
      events.emit('overflow', detail)
      roster.tell({ kind: 'event', name: 'overflow', detail })
    },
  })
  const events = new Emitter<ClusterEvents>(logger, EVENT_NAMES)

  // The primary's own messaging talks to the router as a worker's does: up at once, so that what the router refuses is
  // refused to whoever asks; down over a link inside the process, so that no answer arrives inside the question.
  const [toPeer, fromRouter] = memoryLink<MessagingDownFrame, never>()
  const peer = new Peer({
    self: PRIMARY,
    link: {
      send: (frame) => router.receive(PRIMARY.incarnation, frame),
      isFull: () => false,
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
  const connections = new ConnectionRouter({
    plans,
    sockets,
    clock,
    random,
    limits,
    timeouts,
    logger,
    fence: (ref, verdict) => supervisor.fence(ref, verdict),
  })
  const broker = new LinkBroker({ place, clock, fence: (ref, verdict) => supervisor.fence(ref, verdict) })
  const supervisor: Supervisor = new Supervisor({
    ...settings,
    clock,
    random,
    launcher,
    logger,
    calls: {
      // First the links, whose calls the router does not see: then all that is left passes there.
      close(incarnation) {
        broker.close(incarnation)
        router.close(incarnation)
      },
      async idle(incarnation) {
        await broker.parted(incarnation)
        await router.idle(incarnation)
      },
    },
    reports: {
      launched(ref, link) {
        router.attach(ref, link)
        connections.attach(ref, link)
        link.receive({
          frame(frame) {
            try {
              if (frame.kind === 'join') {
                roster.joined(ref.incarnation, link)
                broker.joined(ref, link)
              }
              receive(ref, frame)
            } catch (error) {
              // No frame of one worker may end the others: whoever sent it ends alone.
              logger.error(`a "${frame.kind}" frame of worker ${ref.id} broke the primary's handling of it`, error)
              supervisor.fence(ref, `sent a "${frame.kind}" frame that the primary could not handle`)
            }
          },
          handleLost: () => connections.handleLost(ref.incarnation),
          closed: () => {},
        })
      },
      member(incarnation, { slot, removed }) {
        const isCurrent = slot.state.incarnation === incarnation
        connections.setStanding(incarnation.ref, standingOf(incarnation, isCurrent))
        if (removed || slot.state.kind === 'stopped') connections.forget(slot.id)
        roster.changed(incarnation, slot, removed)
      },
      gone(ref, ending) {
        connections.detach(ref)
        roster.left(ref.incarnation)
        router.detach(ref.incarnation, ending)
        const told = broker.gone(ref.incarnation)
        // Behind all that it had sent by way of the router.
        if (place) roster.tell({ kind: 'gone', incarnation: ref.incarnation, ending })
        return told
      },
      event(name, detail) {
        events.emit(name, detail)
        if (name !== 'message') roster.tell({ kind: 'event', name, detail })
      },
      welcome: () => roster.welcome(),
      stopping: () => connections.close(),
      ended(end) {
        connections.close()
        router.close()
        peer.close()
        close(end)
      },
    } satisfies SupervisorReports,
  })
  /** Who sent it is what the channel says. */
  const receive = (ref: ProcessRef, frame: UpFrame): void => {
    switch (receiverOf(frame)) {
      case 'life':
        return supervisor.receive(ref, frame as LifeUpFrame)
      case 'connections':
        return connections.receive(ref.incarnation, frame as ConnectionUpFrame)
      case 'links':
        return router.receiveOfLinks(ref.incarnation, frame as FenceFrame | BusyFrame)
      case 'broker':
        return broker.receive(ref.incarnation, frame as BrokeredFrame)
      default:
        return router.receive(ref.incarnation, frame as MessagingUpFrame)
    }
  }
  const refusal = router.refusal.bind(router)
  const stats = (): PrimaryStats => ({
    ...router.stats(),
    pending: peer.caller.pending,
    connections: connections.stats(),
    limits,
  })
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

/** What a process may have of the connections, by where it is in its life. */
function standingOf({ phase, unhealthy }: Incarnation, isCurrent: boolean): Standing {
  if (phase === 'starting' || phase === 'standby') return 'new'
  return phase === 'ready' && isCurrent && !unhealthy ? 'open' : 'leaving'
}
