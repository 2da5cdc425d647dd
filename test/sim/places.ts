import type { Clock } from '../../src/runtime/clock.js'
import type { WorkerProcess } from '../../src/testing/simulated-worker.js'

/** The process in which an actor lives, simulated. */
export interface Place {
  readonly id: number
  readonly incarnation: number
  now(): number
  sleep(ms: number): Promise<void>
  after(ms: number, run: () => void): void
  /** In a worker: kills its own process, or keeps it busy. */
  exit(code: number): void
  block(ms: number): void
}

/** The primary's process. Its actor is made before the machine is. */
export function primaryPlace(clock: () => Clock): Place {
  return {
    id: 0,
    incarnation: 0,
    now: () => clock().now(),
    sleep: (ms) => new Promise((resolve) => clock().after(ms, resolve)),
    after: (ms, run) => void clock().after(ms, run),
    exit: () => {},
    block: () => {},
  }
}

export function workerPlace(process: WorkerProcess, after: Place['after']): Place {
  return {
    id: process.id,
    incarnation: process.incarnation,
    now: () => process.now(),
    sleep: (ms) => process.sleep(ms),
    after,
    exit: (code) => process.exit(code),
    block: (ms) => process.block(ms),
  }
}
