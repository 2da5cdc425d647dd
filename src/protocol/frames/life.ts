import type { Incarnation, ProcessRef } from '../ids.js'
import type { MethodTable } from '../method-table.js'

// The life of a worker, from its first word to its last.

// ---------------------------------------------------------------------- worker -> primary

/** The preload has run: first frame of every worker. A worker that speaks another version is refused. */
export interface HelloFrame {
  readonly kind: 'hello'
  readonly version: number
  readonly incarnation: Incarnation
}

/** `joinCluster` was called; answered by `welcome`. */
export interface JoinFrame {
  readonly kind: 'join'
  readonly methods: MethodTable
}

/** One turn after `joinCluster` resolved (`join`), or `cluster.ready()` was called (`manual`). */
export interface ReadyFrame {
  readonly kind: 'ready'
  readonly cause: 'join' | 'manual'
}

/** Where its servers listen now, as they asked for it (port 0 stays 0). Sent whenever that changes. */
export interface ListensFrame {
  readonly kind: 'listens'
  readonly addresses: readonly ListenAddress[]
}

export interface ListenAddress {
  /** Undefined or null: all interfaces. A path for a unix socket. */
  readonly address?: string | null | undefined
  readonly port?: number | null | undefined
  /** 4, 6, -1 for a unix socket, 'udp4' or 'udp6', as node's `listening` event says. */
  readonly addressType?: number | string | undefined
}

/** How many connections are open. Sent when it changes, at most once per `LOAD_INTERVAL`. */
export interface LoadFrame {
  readonly kind: 'load'
  readonly connections: number
}

/** The answer to `drain`: all connections are closed, `cut` of them by force. */
export interface DrainedFrame {
  readonly kind: 'drained'
  readonly cut: number
}

/** The answer to `release`: no method runs any more; SIGTERM will end the process. */
export interface ReleasedFrame {
  readonly kind: 'released'
}

/**
 * A sign of life, several times per `timeouts.heartbeat`: the event loop of the worker turns. `lag`: how many ms late its own
 * timer was. Sizes in bytes. `requests`: HTTP requests begun since the start, where somebody counts them.
 */
export interface HealthFrame {
  readonly kind: 'health'
  readonly lag: number
  readonly rss: number
  readonly heap: number
  readonly requests: number
  /** Its inspector is open: whoever debugs it may stop it for as long as they like. */
  readonly debugged: boolean
  /** SIGUSR1 opens its inspector: nothing of the program has taken that signal. */
  readonly inspectable: boolean
}

// ---------------------------------------------------------------------- primary -> worker

/** The answer to `join`: who is there, and what the primary itself can be asked. */
export interface WelcomeFrame {
  readonly kind: 'welcome'
  readonly members: readonly Omit<MemberFrame, 'kind'>[]
  readonly primary: MethodTable
}

/** A process of the cluster as others see it. */
export interface MemberRecord extends ProcessRef {
  readonly pid: number
  readonly state: WorkerState
  /** Does the id mean this incarnation? False for one that drains while its replacement serves, or waits to replace one. */
  readonly current: boolean
  readonly calls: number
  readonly connections: number
  readonly methods: MethodTable
}

/** `unhealthy`: it is out of rotation, for it gives no sign of life. Calls by its id still go there. */
export type WorkerState = 'starting' | 'ready' | 'unhealthy' | 'draining' | 'failed' | 'stopped'

/** A process or its slot changed. `gone`: the process lives no more. `removed`: the slot is no more. */
export interface MemberFrame {
  readonly kind: 'member'
  readonly member: MemberRecord
  readonly gone: boolean
  readonly removed: boolean
}

/** Something happened in the cluster; `name` and `detail` are an event of `ClusterEvents`. */
export interface EventFrame {
  readonly kind: 'event'
  readonly name: string
  readonly detail: object
}

/** Close your connections by the deadline: all at once in a stop, idle ones left to their timeout in a reload. */
export interface DrainFrame {
  readonly kind: 'drain'
  readonly mode: 'stop' | 'reload'
  readonly deadline: number
}

/** Finish the methods that run, by the deadline, then say `released`. */
export interface ReleaseFrame {
  readonly kind: 'release'
  readonly deadline: number
}

/** Say `health` at once. `closeInspector`: the primary has opened it for a stack, and could not close it itself. */
export interface ProbeFrame {
  readonly kind: 'probe'
  readonly closeInspector: boolean
}

// --------------------------------------------------------------------------------------------- unions

export type LifeUpFrame =
  | HelloFrame
  | JoinFrame
  | ReadyFrame
  | ListensFrame
  | LoadFrame
  | DrainedFrame
  | ReleasedFrame
  | HealthFrame

export type LifeDownFrame = WelcomeFrame | MemberFrame | EventFrame | DrainFrame | ReleaseFrame | ProbeFrame
