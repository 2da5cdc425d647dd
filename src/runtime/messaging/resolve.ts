import type { WireTarget } from '../../protocol/frames.js'
import type { Incarnation, WorkerId } from '../../protocol/ids.js'
import { type Candidate, pickLeastBusy } from '../placement/least-busy.js'
import type { WorkerInfo } from './members.js'

/** Where a call goes, decided from what is known of the workers alone. */
export type Resolution =
  | { readonly kind: 'deliver'; readonly incarnation: Incarnation }
  /** Its slot is starting or restarting: it waits for it. `any` waits for the first that is ready. */
  | { readonly kind: 'wait'; readonly room: WireTarget }
  /** All that could take it are full. */
  | { readonly kind: 'full' }
  | { readonly kind: 'nobody'; readonly reason: string }

export interface ResolveContext {
  readonly workers: ReadonlyMap<WorkerId, WorkerInfo>
  /** Is there room for one more call in that process? */
  readonly hasRoom: (incarnation: Incarnation) => boolean
  /** Counts up with every pick, so that equals take turns. */
  readonly turn: number
}

export function resolve(to: WireTarget, context: ResolveContext): Resolution {
  if (to === 0) return { kind: 'deliver', incarnation: 0 }
  return to === 'any' ? resolveAny(context) : resolveWorker(to, context)
}

function resolveWorker(id: WorkerId, { workers, hasRoom }: ResolveContext): Resolution {
  const worker = workers.get(id)
  if (!worker) return { kind: 'nobody', reason: noSuchWorker(id, workers) }
  switch (worker.state) {
    case 'ready':
    // Out of rotation, but whoever names it means it: it may answer yet, within the call's deadline.
    case 'unhealthy':
    case 'draining':
      return hasRoom(worker.incarnation) ? { kind: 'deliver', incarnation: worker.incarnation } : { kind: 'full' }
    case 'starting':
      return { kind: 'wait', room: id }
    case 'failed':
      return {
        kind: 'nobody',
        reason: `worker ${id} has failed: it was restarted too often. See the 'failed' event for its last error`,
      }
    case 'stopped':
      return { kind: 'nobody', reason: `worker ${id} has stopped, and its restart policy does not start it again` }
  }
}

/** The least busy worker that is ready; while the whole cluster drains, one that still serves. */
function resolveAny({ workers, hasRoom, turn }: ResolveContext): Resolution {
  const all = [...workers.values()]
  for (const state of ['ready', 'draining'] as const) {
    const candidates: readonly Candidate[] = all.filter((worker) => worker.state === state)
    const picked = pickLeastBusy(
      candidates.filter(({ incarnation }) => hasRoom(incarnation)),
      turn,
    )
    if (picked) return { kind: 'deliver', incarnation: picked.incarnation }
    if (candidates.length > 0) return { kind: 'full' }
  }
  if (all.some(({ state }) => state === 'starting' || state === 'unhealthy')) return { kind: 'wait', room: 'any' }
  return {
    kind: 'nobody',
    reason: all.length === 0 ? 'the cluster has no workers' : 'no worker is ready, and none is starting',
  }
}

function noSuchWorker(id: WorkerId, workers: ReadonlyMap<WorkerId, WorkerInfo>): string {
  const ids = [...workers.keys()].sort((a, b) => a - b)
  return `there is no worker ${id}. ${ids.length === 0 ? 'The cluster has no workers' : `Worker ids are ${ids.join(', ')}`}`
}
