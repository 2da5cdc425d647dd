import type { DownFrame, UpFrame } from '../protocol/frames.js'
import type { Transport } from '../protocol/transport.js'
import type { Clock } from '../runtime/clock.js'
import type { SimulatedLoop } from './simulated-process.js'
import type { SimulatedWorker } from './simulated-worker.js'

/** A frame on its way from or to a worker's process. */
export interface Passing {
  readonly worker: SimulatedWorker
  /** `up`: to the primary. `direct`: to another worker, over a link of their own. */
  readonly direction: 'up' | 'down' | 'direct'
  readonly frame: { readonly kind: string }
}

/**
 * Where our own tests look into a simulation, and break it to see whether that is noticed. Not for users: what they see
 * is what the cluster does.
 */
export interface SimulationHooks {
  /** A frame is given to the channel. */
  readonly sent?: (passing: Passing) => void
  /** A frame is too long to be written. */
  readonly refused?: (passing: Passing) => void
  /** What is sent in place of a frame: nothing, or twice. */
  readonly replace?: (passing: Passing) => readonly object[]
  /** A process's clock, changed. */
  readonly clock?: (clock: Clock, process: string) => Clock
  /** Both ends of a worker's link, changed. */
  readonly links?: (ends: LinkEnds, worker: SimulatedWorker) => LinkEnds
  /** Bytes that a pipe holds. */
  readonly pipeSize?: number
  /** Bytes of the longest message that can be written. */
  readonly lineLimit?: number
  /** Nothing has been started yet. */
  readonly built?: (processes: Processes) => void
}

export interface LinkEnds {
  readonly primary: Transport<DownFrame, UpFrame>
  readonly worker: Transport<UpFrame, DownFrame>
}

/** All processes of a simulation. */
export interface Processes {
  readonly primary: SimulatedLoop
  readonly primaryClock: Clock
  /** All that were ever started, in order: incarnation n is at n - 1. */
  readonly workers: readonly SimulatedWorker[]
}
