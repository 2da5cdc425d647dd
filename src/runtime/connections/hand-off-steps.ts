import { channel } from 'node:diagnostics_channel'
import type { Incarnation } from '../../protocol/ids.js'

/** Steps of a hand-off, as whoever watches `troupe.handoff` is told of them, in the primary and in the worker. */
export type HandOffStep =
  /** primary: accepted, and what had to be read has been. */
  | 'accepted'
  /** primary: sent to a worker. */
  | 'offered'
  /** worker: it is here, the acknowledgement is not written yet. */
  | 'arrived'
  /** worker: the acknowledgement is written, the server has not seen the connection. */
  | 'acknowledged'
  /** primary: the worker has it. */
  | 'taken'
  /** primary: refused by the worker, or the worker died: another gets it. */
  | 'rerouted'

export interface HandOffEvent {
  readonly step: HandOffStep
  /** Of the connection. */
  readonly id: number
  /** The worker's incarnation, where there is one. */
  readonly to?: Incarnation | undefined
}

/**
 * Node's diagnostics channel that every step is published on, synchronously. For tracing; and for tests, which end a
 * process exactly there.
 */
const steps = channel('troupe.handoff')

export function tellStep(step: HandOffStep, id: number, to?: Incarnation): void {
  if (steps.hasSubscribers) steps.publish({ step, id, to } satisfies HandOffEvent)
}
