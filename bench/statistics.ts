/** Where a value lies, and between what bounds. */
export interface Estimate {
  readonly median: number
  readonly low: number
  readonly high: number
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/** The median with the least and the greatest value. */
export function spread(values: readonly number[]): Estimate {
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) }
}

/**
 * The median of ratios of paired rounds, with its 95 % bootstrap interval: a pair is two values of the same round, so that
 * what slows the machine down for a while slows both. The draws are seeded: the same values give the same interval.
 */
export function ratio(values: readonly number[], peers: readonly number[]): Estimate {
  const ratios = values.map((value, round) => value / (peers[round] as number))
  const random = seeded(values.length)
  const medians: number[] = []
  for (let draw = 0; draw < DRAWS; draw++)
    medians.push(median(ratios.map(() => ratios[Math.floor(random() * ratios.length)] as number)))
  medians.sort((a, b) => a - b)
  return {
    median: median(ratios),
    low: medians[Math.floor(DRAWS * 0.025)] as number,
    high: medians[Math.ceil(DRAWS * 0.975) - 1] as number,
  }
}

const DRAWS = 10_000

/** Mulberry32. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
