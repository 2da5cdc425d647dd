import type { FailedStart, OutOfMemory, TroupeError } from '../../protocol/errors.js'
import type { ListenAddress } from '../../protocol/frames.js'
import type { RecordedFrame } from '../evidence/recorded-link.js'
import type { Sighting } from '../evidence/sighting.js'
import type { OverflowEvent } from '../overflow-event.js'
import type { Worn } from './recycle-policy.js'

/** What every event about one process says. */
export interface WorkerEvent {
  readonly id: number
  readonly incarnation: number
  readonly pid: number
}

export interface ExitEvent extends WorkerEvent {
  readonly code: number | null
  readonly signal: string | null
  /** The runtime ended it (stop, reload, scale down): node's `exitedAfterDisconnect`. */
  readonly intended: boolean
  /** Why the runtime killed it, where it found it unfit: "has written to its channel what is no message". */
  readonly verdict?: string | undefined
  /** Did it run out of memory? V8's own word; the kernel's SIGKILL for it cannot be told from another's: `unknown`. */
  readonly outOfMemory: OutOfMemory
  /** The last it wrote to stderr, up to 8 KiB; empty when its stderr is not piped to the primary. */
  readonly output: string
  /**
   * The last 64 messages between it and the primary, or another worker over a direct link, the oldest first: what it was doing.
   * Never their contents. What it said to a worker that died with it is not known.
   */
  readonly recent: readonly RecordedFrame[]
}

export interface RestartEvent extends WorkerEvent {
  /** Which restart within the window this is, 1 the first. */
  readonly attempt: number
  /** Milliseconds until it is started. */
  readonly delay: number
}

/** A worker gives no sign of life: its event loop is blocked, or its process stopped; or it gives one again. */
export interface UnhealthyEvent extends WorkerEvent, Sighting {
  /**
   * `missed`: nothing was heard for `timeouts.heartbeat`. `back`: it was heard again. `killed`: nothing was heard for
   * `timeouts.blocked`, it gets SIGKILL now, and is replaced by the restart policy.
   */
  readonly phase: 'missed' | 'back' | 'killed'
  /** Milliseconds since it was last heard; at `back`, how long the silence was. */
  readonly silent: number
  /** How many ms late its event loop was when it was last heard. */
  readonly lag: number
  /** Does it get connections and calls to `'any'`? The last one that serves keeps its place. */
  readonly inRotation: boolean
}

/** A worker has reached a limit of the option `recycle`: a new process takes its place, and then it drains. */
export interface RecycleEvent extends WorkerEvent, Worn {}

/** What an orderly end had to do by force. */
export interface RetireReport {
  /** Connections cut at the deadline. */
  readonly cut: number
  /** Processes that SIGTERM did not end. */
  readonly killed: number
}

/** What a reload has done. */
export interface ReloadReport extends RetireReport {
  /** The ids of the workers that have a new process. */
  readonly replaced: readonly number[]
}

export type ReloadEvent =
  | { readonly phase: 'started' }
  /** The new workers serve and the old ones have ended: what `reload()` resolves with. */
  | ({ readonly phase: 'finished' } & ReloadReport)
  /** The message of the error that `reload()` rejects with, and which workers failed; none when the cluster was stopped. */
  | { readonly phase: 'failed'; readonly reason: string; readonly failures: readonly FailedStart[] }

/** The events of a cluster, by name. Names that node has mean what they mean there. */
export interface ClusterEvents {
  /** A process was started. */
  fork: WorkerEvent
  /** It runs JavaScript. */
  online: WorkerEvent
  /** One of its servers listens. */
  listening: WorkerEvent & { readonly address: ListenAddress }
  /** It may receive calls and connections. In a reload: when it takes over. */
  ready: WorkerEvent
  /** Its channel closed; `exit` follows. */
  disconnect: WorkerEvent
  /** It is gone. */
  exit: ExitEvent
  /** It died unasked and will be started again. */
  restart: RestartEvent
  /** It died too often and is not started again, or only at the slowest pace. */
  failed: ExitEvent & { readonly restarts: number }
  /** It gives no sign of life, or gives one again. */
  unhealthy: UnhealthyEvent
  /** It has grown, or served for so long, that it is replaced. Its `exit` is an intended one. */
  recycle: RecycleEvent
  reload: ReloadEvent
  /** A process did not read a channel as fast as others published on it. */
  overflow: OverflowEvent
  /** The user's own `process.send` of a worker, untouched. In the primary only. */
  message: WorkerEvent & { readonly message: unknown; readonly handle: unknown }
}

/** How a cluster ended. */
export type ClusterEnd =
  /** `stop()` was called. */
  | { readonly reason: 'stopped' }
  /** A signal stopped it (`signals: true`). */
  | { readonly reason: 'signal'; readonly signal: string }
  /** Every worker has exited, and the restart policy starts none again. */
  | { readonly reason: 'finished' }
  /** The restart limit, or workers that never became ready. */
  | { readonly reason: 'failed'; readonly error: TroupeError }
  /** In a worker: the primary is gone. */
  | { readonly reason: 'disconnected' }

/** The names, for whoever misspells one. */
export const EVENT_NAMES = [
  'fork',
  'online',
  'listening',
  'ready',
  'disconnect',
  'exit',
  'restart',
  'failed',
  'unhealthy',
  'recycle',
  'reload',
  'overflow',
  'message',
] as const satisfies readonly (keyof ClusterEvents)[]
