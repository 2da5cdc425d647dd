import { type Estimate, ratio, spread } from './statistics.js'

/** One value of what costs: less is better. CPU time in milliseconds, of all processes that take part, where it was counted. */
export interface Cost {
  readonly value: number
  readonly cpu?: number
}

/** What a candidate's cost is held against. Without a limit the comparison is for information. */
export interface CostTarget {
  readonly candidate: string
  readonly peer: string
  /** Times the peer's. */
  readonly atMost?: number
  /** More than the peer's, in the unit of the value. */
  readonly over?: number
}

export interface CostLine {
  readonly candidate: string
  readonly value: Estimate
  readonly cpu?: Estimate
  readonly against?: {
    readonly peer: string
    readonly times: Estimate
    readonly more: Estimate
    readonly cpu?: Estimate
    readonly target?: string
    /** The lower end of the interval is within the limit. */
    readonly isMet?: boolean
  }
  readonly samples: readonly Cost[]
}

/** One kind of cost, of every candidate. */
export interface CostResult {
  readonly title: string
  readonly unit: string
  readonly lines: readonly CostLine[]
}

/** `samples` of the same index are of the same round, and compared with each other. */
export function compareCosts(
  samples: ReadonlyMap<string, readonly Cost[]>,
  targets: readonly CostTarget[],
): CostLine[] {
  return [...samples].map(([candidate, own]) => {
    const target = targets.find((one) => one.candidate === candidate)
    const theirs = target && samples.get(target.peer)
    const cpu = cpuOf(own)
    const line = {
      candidate,
      value: spread(own.map(({ value }) => value)),
      ...(cpu && { cpu: spread(cpu) }),
      samples: own,
    }
    if (!target || !theirs) return line
    return { ...line, against: hold(target, own, theirs) }
  })
}

function hold({ peer, atMost, over }: CostTarget, own: readonly Cost[], theirs: readonly Cost[]) {
  const values = (costs: readonly Cost[]): number[] => costs.map(({ value }) => value)
  const times = ratio(values(own), values(theirs))
  // Differences have their median and its interval in the same way.
  const more = ratio(
    own.map(({ value }, round) => value - (theirs[round] as Cost).value),
    own.map(() => 1),
  )
  const [ownCpu, theirCpu] = [cpuOf(own), cpuOf(theirs)]
  const cpu = ownCpu && theirCpu && { cpu: ratio(ownCpu, theirCpu) }
  const base = { peer, times, more, ...cpu }
  if (atMost !== undefined) return { ...base, target: `at most x ${atMost}`, isMet: times.low <= atMost }
  if (over !== undefined) return { ...base, target: `at most ${over} more`, isMet: more.low <= over }
  return base
}

function cpuOf(costs: readonly Cost[]): number[] | undefined {
  return costs.every(({ cpu }) => cpu !== undefined) ? costs.map(({ cpu }) => cpu as number) : undefined
}
