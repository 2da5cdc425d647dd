import { type Estimate, ratio, spread } from './statistics.js'

/** One measurement. CPU time is user and system time in microseconds for each operation, by process. */
export interface Sample {
  readonly perSecond: number
  readonly cpu: { readonly primary: number; readonly workers: number }
  /** From the start of one operation to its end, in microseconds: where nothing else was in flight. */
  readonly latency?: { readonly p50: number; readonly p99: number }
}

/** What a candidate is held against in one shape. Without a number the ratio is for information. */
export interface Target {
  readonly candidate: string
  readonly peer: string
  /** Of the peer's rate. */
  readonly atLeast?: number
  /** Of the peer's median latency. */
  readonly atMost?: number
}

/** A candidate's ratios to one peer, with their 95 % interval. */
export interface Comparison {
  readonly peer: string
  readonly rate: Estimate
  /** Less is better here, and in the next. */
  readonly latency?: Estimate
  readonly cpu: Estimate
  readonly atLeast?: number
  readonly atMost?: number
  /** The interval of the ratio reaches the target. */
  readonly isMet?: boolean
}

/** One candidate's line: medians with the least and the greatest value. */
export interface Line {
  readonly candidate: string
  readonly perSecond: Estimate
  readonly latency?: { readonly p50: Estimate; readonly p99: Estimate }
  readonly cpu: { readonly primary: number; readonly workers: number; readonly both: Estimate }
  /** One for each target that names this candidate and a peer that was measured too. */
  readonly against: readonly Comparison[]
  readonly samples: readonly Sample[]
}

/** `samples` of the same index are of the same round. */
export function compare(samples: ReadonlyMap<string, readonly Sample[]>, targets: readonly Target[]): Line[] {
  return [...samples].map(([candidate, own]) => {
    const latencies = latenciesOf(own)
    return {
      candidate,
      perSecond: spread(own.map(({ perSecond }) => perSecond)),
      ...(latencies && { latency: { p50: spread(latencies.p50), p99: spread(latencies.p99) } }),
      cpu: {
        primary: spread(own.map(({ cpu }) => cpu.primary)).median,
        workers: spread(own.map(({ cpu }) => cpu.workers)).median,
        both: spread(own.map(bothCpu)),
      },
      against: targets
        .filter((target) => target.candidate === candidate)
        .flatMap((target) => {
          const theirs = samples.get(target.peer)
          return theirs ? [judge(own, theirs, target)] : []
        }),
      samples: own,
    }
  })
}

function judge(own: readonly Sample[], theirs: readonly Sample[], { peer, atLeast, atMost }: Target): Comparison {
  const rate = ratio(
    own.map(({ perSecond }) => perSecond),
    theirs.map(({ perSecond }) => perSecond),
  )
  const cpu = ratio(own.map(bothCpu), theirs.map(bothCpu))
  const [ours, other] = [latenciesOf(own), latenciesOf(theirs)]
  const latency = ours && other && ratio(ours.p50, other.p50)
  const verdicts = [
    ...(atLeast === undefined ? [] : [rate.high >= atLeast]),
    ...(atMost === undefined || !latency ? [] : [latency.low <= atMost]),
  ]
  return {
    peer,
    rate,
    ...(latency && { latency }),
    cpu,
    ...(atLeast !== undefined && { atLeast }),
    ...(atMost !== undefined && { atMost }),
    ...(verdicts.length > 0 && { isMet: verdicts.every((isReached) => isReached) }),
  }
}

/** Nothing unless every sample has them. */
function latenciesOf(samples: readonly Sample[]): { p50: number[]; p99: number[] } | undefined {
  const all = samples.flatMap(({ latency }) => latency ?? [])
  if (all.length === 0 || all.length < samples.length) return undefined
  return { p50: all.map(({ p50 }) => p50), p99: all.map(({ p99 }) => p99) }
}

const bothCpu = ({ cpu }: Sample): number => cpu.primary + cpu.workers
