import type { TroupeError } from '../../protocol/errors.js'
import type { ListenAddress } from '../../protocol/frames.js'

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
  /** The last it wrote to stderr, up to 8 KiB; empty when its stderr is not piped to the primary. */
  readonly output: string
}

export interface RestartEvent extends WorkerEvent {
  /** Which restart within the window this is, 1 the first. */
  readonly attempt: number
  /** Milliseconds until it is started. */
  readonly delay: number
}

export interface ReloadEvent {
  readonly phase: 'started' | 'finished' | 'failed'
  /** Worker ids that have been replaced so far. */
  readonly replaced: readonly number[]
}

/** The events of a cluster, by name. Names that node has mean what they mean there. */
export interface ClusterEvents {
  /** A process was started. */
  fork: WorkerEvent
  /** It runs JavaScript. */
  online: WorkerEvent
  /** One of its servers listens. */
  listening: WorkerEvent & { readonly address: ListenAddress }
  /** It may receive calls and connections. */
  ready: WorkerEvent
  /** Its channel closed; `exit` follows. */
  disconnect: WorkerEvent
  /** It is gone. */
  exit: ExitEvent
  /** It died unasked and will be started again. */
  restart: RestartEvent
  /** It died too often and is not started again, or only at the slowest pace. */
  failed: ExitEvent & { readonly restarts: number }
  reload: ReloadEvent
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
  'reload',
  'message',
] as const satisfies readonly (keyof ClusterEvents)[]
