import type { DownFrame, ListenAddress, UpFrame } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import type { Transport } from '../../protocol/transport.js'

/** Starts processes. `launcher.ts` does it with `node:cluster`; a cluster of one and the simulator have their own. */
export interface Launcher {
  launch(ref: ProcessRef, events: ChildEvents): Child
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
}

/** What the launcher reports of one process. `exited` comes once, last, also when it could not be started at all. */
export interface ChildEvents {
  online(): void
  listening(address: ListenAddress): void
  message(message: unknown, handle: unknown): void
  disconnected(): void
  exited(exit: ChildExit): void
}

export interface ChildExit {
  readonly code: number | null
  readonly signal: string | null
  /** Why there never was a process. */
  readonly error?: Error | undefined
}
