import type { WorkerState } from '../../protocol/frames.js'
import type { WorkerId } from '../../protocol/ids.js'
import type { Timer } from '../clock.js'
import type { Incarnation } from './incarnation.js'

/** What a slot is doing. `incarnation` is who the id means: in a pause, the one that died last. */
export type SlotState =
  /** It has a process: starting, ready or draining, as the process says. */
  | { readonly kind: 'running'; readonly incarnation: Incarnation }
  /** Its process died; `timer` starts the next. */
  | { readonly kind: 'pausing'; readonly incarnation: Incarnation; readonly timer: Timer }
  /** Over the restart limit. `timer`, or the process it has started, is the attempt at the slowest pace. */
  | { readonly kind: 'failed'; readonly incarnation: Incarnation; readonly timer: Timer | undefined }
  /** Ended, and not to be started again. */
  | { readonly kind: 'stopped'; readonly incarnation: Incarnation }

/** One worker id through all its incarnations. */
export interface Slot {
  readonly id: WorkerId
  state: SlotState
  /** During a reload: the process that takes over when it is ready. */
  next: Incarnation | undefined
  /** Monotonic times of its unintended ends, as far as the restart window reaches back. */
  history: readonly number[]
  /** Where its last ready incarnation listened. */
  ports: ReadonlySet<string>
}

/** How the rest of the cluster sees it. */
export function publicState({ state }: Slot): WorkerState {
  switch (state.kind) {
    case 'failed':
    case 'stopped':
      return state.kind
    case 'pausing':
      return 'starting'
    case 'running':
      return state.incarnation.phase === 'gone' ? 'starting' : state.incarnation.phase
  }
}

/** The processes of a slot that live. */
export function living(slot: Slot): Incarnation[] {
  return [slot.state.incarnation, slot.next].filter((incarnation) => incarnation?.alive === true) as Incarnation[]
}
