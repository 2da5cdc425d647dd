/** How far above the mean a worker may go, in connections, and as a share: even enough, and seldom a pause. */
const LEAST_SLACK = 2
const SLACK_SHARE = 0.03

/** What a worker has, as it said last. */
export interface Load {
  readonly live: number
  /** Connections that were open for a moment only and ended in the last report interval. */
  readonly brief: number
}

/**
 * Up to how many open connections a worker accepts, given how many each has: a little over the mean, so that whoever has
 * more than its share pauses and whoever has less always may accept. A pure function; `current` is the level that holds.
 * It rises at once, since workers wait for it, and falls half of the way at a time, since counts of short requests jump.
 * Where connections are brief, an excess of as many as end between two reports is gone by the next: nobody need pause for it.
 */
export function nextLevel(current: number, loads: readonly Load[]): number {
  if (loads.length === 0) return current
  const mean = loads.reduce((sum, { live }) => sum + live, 0) / loads.length
  const brief = Math.floor(loads.reduce((sum, load) => sum + load.brief, 0) / loads.length)
  const target = Math.floor(mean) + Math.max(LEAST_SLACK, Math.floor(mean * SLACK_SHARE), brief)
  if (target >= current) return target
  return current - target <= brief ? current : target + ((current - target) >> 1)
}
