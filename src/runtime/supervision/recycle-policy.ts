/** The option `recycle`: at which of these a worker that serves well is replaced, without a gap. None is set by default. */
export interface RecycleOptions {
  /** Resident memory of the process, in bytes. */
  readonly rss?: number | undefined
  /** JavaScript heap in use, in bytes. What is not collected yet counts. */
  readonly heap?: number | undefined
  /** Milliseconds since it became ready. */
  readonly age?: number | undefined
  /** HTTP requests, calls and casts that it has been given. */
  readonly requests?: number | undefined
  /** By up to this share `age` and `requests` are lower, another for each process: not all are replaced at once. Default 0.2. */
  readonly jitter: number
}

export const DEFAULT_RECYCLE: RecycleOptions = Object.freeze({ jitter: 0.2 })

/** A worker as far as it matters here. */
export interface Wear {
  readonly rss: number
  readonly heap: number
  readonly age: number
  readonly requests: number
  /** Its own, 0 up to 1. */
  readonly random: number
}

export interface Worn {
  readonly reason: 'rss' | 'heap' | 'age' | 'requests'
  /** What was measured, and what was allowed to this process. */
  readonly value: number
  readonly limit: number
}

const JITTERED = { rss: false, heap: false, age: true, requests: true } as const

/**
 * The first limit that is reached, if any: a pure function of what is known of a worker. Each limit but those of memory is
 * lowered for each process by a share of its own, so that workers that were started together are not replaced together.
 */
export function wornBy(wear: Wear, options: RecycleOptions): Worn | undefined {
  for (const reason of ['rss', 'heap', 'age', 'requests'] as const) {
    const given = options[reason]
    if (given === undefined) continue
    const limit = JITTERED[reason] ? given * (1 - options.jitter * wear.random) : given
    if (wear[reason] >= limit) return { reason, value: wear[reason], limit }
  }
  return undefined
}
