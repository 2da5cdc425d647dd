import { type Estimate, ratio, spread } from './statistics.js'

/** One measurement. CPU time is user and system time in microseconds for each operation, by process. */
export interface Sample {
  readonly perSecond: number
  readonly cpu: { readonly primary: number; readonly workers: number }
}

/** What a candidate is held against in one shape. */
export interface Target {
  readonly candidate: string
  readonly peer: string
  /** Of the peer's rate. Without it the ratio is for information. */
  readonly atLeast?: number
}

/** One candidate's line: medians with the least and the greatest value, ratios with their 95 % interval. */
export interface Line {
  readonly candidate: string
  readonly perSecond: Estimate
  readonly cpu: { readonly primary: number; readonly workers: number; readonly both: Estimate }
  readonly against?: {
    readonly peer: string
    readonly rate: Estimate
    /** Less is better here. */
    readonly cpu: Estimate
    readonly atLeast?: number
    /** The interval of the rates' ratio reaches the target. */
    readonly isMet?: boolean
  }
  readonly samples: readonly Sample[]
}

/** `samples` of the same index are of the same round. */
export function compare(samples: ReadonlyMap<string, readonly Sample[]>, targets: readonly Target[]): Line[] {
  return [...samples].map(([candidate, own]) => {
    const target = targets.find((one) => one.candidate === candidate)
    const theirs = target && samples.get(target.peer)
    const line = {
      candidate,
      perSecond: spread(own.map(({ perSecond }) => perSecond)),
      cpu: {
        primary: spread(own.map(({ cpu }) => cpu.primary)).median,
        workers: spread(own.map(({ cpu }) => cpu.workers)).median,
        both: spread(own.map(bothCpu)),
      },
      samples: own,
    }
    if (!target || !theirs) return line
    const rate = ratio(
      own.map(({ perSecond }) => perSecond),
      theirs.map(({ perSecond }) => perSecond),
    )
    const cpu = ratio(own.map(bothCpu), theirs.map(bothCpu))
    const { peer, atLeast } = target
    return { ...line, against: { peer, rate, cpu, ...(atLeast && { atLeast, isMet: rate.high >= atLeast }) } }
  })
}

const bothCpu = ({ cpu }: Sample): number => cpu.primary + cpu.workers
