import { availableParallelism, cpus, loadavg, release } from 'node:os'

/** Where and when something was measured: figures of two machines do not compare, ratios may. */
export interface Machine {
  readonly node: string
  readonly v8: string
  readonly system: string
  readonly processor: string
  readonly cores: number
  readonly date: string
}

export function thisMachine(): Machine {
  return {
    node: process.versions.node,
    v8: process.versions.v8,
    system: `${process.platform} ${release()} ${process.arch}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    date: new Date().toISOString(),
  }
}

/** Processes that wanted a core, the mean of the last minute. Ours are among them once something runs. */
export function loadAverage(): number {
  return loadavg()[0] as number
}
