import type { DownFrame, ListenAddress, UpFrame } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import type { Transport } from '../../protocol/transport.js'
import type { Sighting } from '../evidence/sighting.js'

/** Starts processes. `launcher.ts` does it with `node:cluster`; a cluster of one and the simulator have their own. */
export interface Launcher {
  launch(ref: ProcessRef, events: ChildEvents, settings: LaunchSettings): Child
  /** A debugger may stop this very process at any time, so that nobody's silence means anything. */
  isDebugged?(): boolean
}

/**
 * What a reload has changed since the cluster was created; what is absent is as it was then. The supervisor carries it, and
 * only the launcher reads it.
 */
export interface LaunchSettings {
  readonly exec?: string
  readonly args?: readonly string[]
  readonly execArgv?: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** One process, from when it was asked for. */
export interface Child {
  readonly pid: number
  readonly link: Transport<DownFrame, UpFrame>
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
  /** The last it wrote to stderr. */
  output(): string
  /** Resolves when all it wrote has been read; a grandchild that holds the pipe open does not count. */
  outputRead(): Promise<void>
  /**
   * Looks at the process from outside while its event loop is blocked: what it does, and its JavaScript stack when that can be
   * had, for which its inspector may be opened: `inspectable` is its own last word of whether it can. Takes a second at most,
   * never rejects. `heard` resolves when the process speaks again: until then its output may tell of the inspector, and does
   * not. Absent: nobody can look at it.
   */
  look?(inspectable: boolean, heard: Promise<void>): Promise<Sighting>
}

/** What the launcher reports of one process. `exited` comes once, last, also when it could not be started at all. */
export interface ChildEvents {
  online(): void
  listening(address: ListenAddress): void
  message(message: unknown, handle: unknown): void
  disconnected(): void
  /** It has written to its channel what no process of ours writes: nothing of it is read any more, and it must be ended. */
  corrupt(verdict: string): void
  exited(exit: ChildExit): void
}

export interface ChildExit {
  readonly code: number | null
  readonly signal: string | null
  /** Why there never was a process. */
  readonly error?: Error | undefined
}
