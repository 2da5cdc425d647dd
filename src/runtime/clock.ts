import { performance } from 'node:perf_hooks'
import { type Task, type Timer, TimerQueue } from './timer-queue.js'

/** Time as the runtime sees it: handed in, so that a test or a simulation can hold it. */
export interface Clock {
  /**
   * Milliseconds of the machine's monotonic clock: it never jumps, and every process of this machine reads the same
   * value, so that a deadline can be sent. A link to another machine has to translate it.
   */
  now(): number
  /** Runs `run` once, `ms` from now. The timer keeps the process alive unless it is `idle`. */
  after(ms: number, run: () => void, options?: { idle?: boolean }): Timer
  /** The same at a time, not before it, and never in the turn that sets it. The timer keeps the process alive. */
  at(time: number, task: Task): Timer
  /** Runs `run` after everything that is due in this turn of the event loop. */
  nextTurn(run: () => void): void
}

export type { Task, Timer } from './timer-queue.js'

/** The deadline of what is sent at `sentAt`: whole, as it is written, and never sooner. V8 keeps a fraction in a memory of its own. */
export function deadlineOf(sentAt: number, timeout: number): number {
  return Math.ceil(sentAt + timeout)
}

/**
 * The machine's clock at the start of this process, from which `performance.now()` counts, ten times cheaper to read. A process that is
 * put aside between both readings gets too little: so the most of a few.
 */
function startOfProcess(): number {
  const starts = Array.from({ length: 3 }, () => Number(process.hrtime.bigint()) / 1e6 - performance.now())
  return Math.max(...starts)
}

export function systemClock(): Clock {
  const start = startOfProcess()
  const now = (): number => start + performance.now()
  const timers = new TimerQueue(now)
  return {
    now,
    after: (ms, run, options) => timers.add(ms, run, options?.idle ?? false),
    at: (time, task) => timers.at(time, task, false),
    nextTurn: (run) => void setImmediate(run),
  }
}

/** A timer for the next turn. */
export function nextTurn(clock: Clock, run: () => void): Timer {
  let cancelled = false
  clock.nextTurn(() => {
    if (!cancelled) run()
  })
  return {
    cancel() {
      cancelled = true
    },
  }
}
