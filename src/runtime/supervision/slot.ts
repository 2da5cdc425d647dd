import { BootError, type FailedStart } from '../../protocol/errors.js'
import type { WorkerState } from '../../protocol/frames.js'
import type { WorkerId } from '../../protocol/ids.js'
import type { Timer } from '../clock.js'
import type { ClusterEnd } from './events.js'
import type { Incarnation } from './incarnation.js'
import type { RestartOptions } from './restart-policy.js'

/** What a slot is doing. `incarnation` is who the id means: in a pause, the one that died last. */
export type SlotState =
  /** It has a process: starting, ready or draining, as the process says. */
  | { readonly kind: 'running'; readonly incarnation: Incarnation }
  /** Its process died; `timer` starts the next. */
  | { readonly kind: 'pausing'; readonly incarnation: Incarnation; readonly timer: Timer }
  /** Over the restart limit, by that failure. `timer`, or the process it has started, is the attempt at the slowest pace. */
  | {
      readonly kind: 'failed'
      readonly incarnation: Incarnation
      readonly failure: FailedStart
      readonly timer: Timer | undefined
    }
  /** Ended, and not to be started again. */
  | { readonly kind: 'stopped'; readonly incarnation: Incarnation }

/** One worker id through all its incarnations. */
export interface Slot {
  readonly id: WorkerId
  state: SlotState
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
    case 'running': {
      const { phase, unhealthy } = state.incarnation
      if (phase === 'ready' && unhealthy) return 'unhealthy'
      return phase === 'ready' || phase === 'draining' ? phase : 'starting'
    }
  }
}

/** Why the cluster cannot go on, if so: every worker has ended for good, or is at the limit; with 'stop', one at the limit is enough. */
export function dueEnd(slots: readonly Slot[], onLimit: RestartOptions['onLimit']): ClusterEnd | undefined {
  const failures = slots.flatMap(({ state }) => (state.kind === 'failed' ? [state.failure] : []))
  const noneLeft = slots.every(({ state }) => state.kind === 'failed' || state.kind === 'stopped')
  if (failures.length > 0 && (noneLeft || onLimit === 'stop'))
    return { reason: 'failed', error: new BootError({ failures }) }
  return noneLeft ? { reason: 'finished' } : undefined
}

/** The slot is not filled again: no restart is due any more. */
export function abandon(slot: Slot): void {
  cancelDue(slot)
  const { state } = slot
  if (state.kind === 'pausing') slot.state = { kind: 'stopped', incarnation: state.incarnation }
}

/** What is due in a slot is not to come. */
export function cancelDue({ state }: Slot): void {
  if (state.kind === 'pausing' || state.kind === 'failed') state.timer?.cancel()
}
