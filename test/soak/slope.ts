/** How fast something grows, per unit of time, and between what bounds. */
export interface Slope {
  readonly perHour: number
  readonly low: number
  readonly high: number
}

const HOUR = 3_600
const DRAWS = 500
/** Seconds that are drawn together: neighbouring samples are alike. */
const BLOCK = 60

export interface SlopeOptions {
  /** Seconds from one sample to the next. */
  readonly every: number
  readonly random?: () => number
}

/**
 * Theil and Sen's estimate, which no outlier moves, with a 95 % interval by a bootstrap of blocks over the residuals.
 */
export function slopeOf(samples: readonly number[], { every, random = Math.random }: SlopeOptions): Slope {
  const points = thin(samples, every)
  const slope = theilSen(points)
  const middle = median(points.map(([, y]) => y))
  const centre = median(points.map(([x]) => x))
  const residuals = points.map(([x, y]) => y - (middle + slope * (x - centre)))
  const block = Math.max(1, Math.round(BLOCK / ((points[1]?.[0] ?? 1) - (points[0]?.[0] ?? 0))))
  const drawn = Array.from({ length: DRAWS }, () => {
    const noise: number[] = []
    while (noise.length < points.length) {
      const from = Math.floor(random() * Math.max(1, residuals.length - block))
      noise.push(...residuals.slice(from, from + block))
    }
    return theilSen(points.map(([x], index) => [x, middle + slope * (x - centre) + (noise[index] as number)]))
  }).sort((a, b) => a - b)
  const at = (share: number): number => (drawn[Math.floor(share * (DRAWS - 1))] as number) * HOUR
  return { perHour: slope * HOUR, low: at(0.025), high: at(0.975) }
}

type Point = readonly [x: number, y: number]

/** At most so many, each the median of its stretch: the number of pairs grows with the square. */
const MOST = 120

function thin(samples: readonly number[], every: number): Point[] {
  const stretch = Math.max(1, Math.floor(samples.length / MOST))
  const points: Point[] = []
  for (let from = 0; from + stretch <= samples.length; from += stretch)
    points.push([(from + stretch / 2) * every, median(samples.slice(from, from + stretch))])
  return points
}

function theilSen(points: readonly Point[]): number {
  const slopes: number[] = []
  for (let i = 0; i < points.length; i++) {
    for (let j = i + 1; j < points.length; j++) {
      const [[x1, y1], [x2, y2]] = [points[i] as Point, points[j] as Point]
      slopes.push((y2 - y1) / (x2 - x1))
    }
  }
  return median(slopes)
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const [above, below] = [sorted[middle] ?? 0, sorted[middle - 1] ?? 0]
  return sorted.length % 2 === 1 ? above : (above + below) / 2
}
