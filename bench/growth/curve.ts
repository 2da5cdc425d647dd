import { median } from '../statistics.js'

/** What one size costs: the median of the rounds. */
export interface Point {
  readonly size: number
  readonly cost: number
}

/** A line through the points by least squares, and how far from it the farthest lies, as a share of the whole rise. */
export interface Fit {
  readonly slope: number
  readonly start: number
  readonly farthest: number
}

export function points(samples: ReadonlyMap<number, readonly number[]>): Point[] {
  return [...samples].map(([size, costs]) => ({ size, cost: median(costs) })).sort((a, b) => a.size - b.size)
}

export function fitLine(curve: readonly Point[]): Fit {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const size = mean(curve.map((point) => point.size))
  const cost = mean(curve.map((point) => point.cost))
  const along = curve.reduce((sum, point) => sum + (point.size - size) ** 2, 0)
  const slope = curve.reduce((sum, point) => sum + (point.size - size) * (point.cost - cost), 0) / along
  const start = cost - slope * size
  const costs = curve.map((point) => point.cost)
  const rise = Math.max(...costs) - Math.min(...costs)
  const off = curve.map((point) => Math.abs(point.cost - (start + slope * point.size)))
  return { slope, start, farthest: rise === 0 ? 0 : Math.max(...off) / rise }
}

/** More than noise: what a point may cost above the cheapest smaller size. */
const FLAT = 1.3

/**
 * Cost per operation is flat when no size costs over 1.3 times what the cheapest smaller size does: it may fall, since more at
 * once share a message, and may not rise. Gives the first size that does.
 */
export function stepInFlat(curve: readonly Point[]): number | undefined {
  let least = Number.POSITIVE_INFINITY
  for (const { size, cost } of curve) {
    if (cost > least * FLAT) return size
    least = Math.min(least, cost)
  }
  return undefined
}

/** A step is what lies off the line by more than this share of the whole rise. */
const LINEAR = 0.1

export function isLinear({ farthest }: Fit): boolean {
  return farthest <= LINEAR
}
