import type { Incarnation } from '../../protocol/ids.js'

export interface Candidate {
  readonly incarnation: Incarnation
  readonly calls: number
}

/**
 * The candidate with the fewest calls. Equals take turns by `turn`, a number that counts up, so that an idle cluster does
 * not give everything to worker 1.
 */
export function pickLeastBusy<C extends Candidate>(candidates: readonly C[], turn: number): C | undefined {
  let fewest = Number.POSITIVE_INFINITY
  let equals: C[] = []
  for (const candidate of candidates) {
    if (candidate.calls > fewest) continue
    if (candidate.calls < fewest) equals = []
    fewest = candidate.calls
    equals.push(candidate)
  }
  return equals[turn % equals.length]
}
