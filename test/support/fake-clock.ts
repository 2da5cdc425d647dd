import type { Clock, Task, Timer } from '../../src/runtime/clock.js'

interface Alarm {
  readonly time: number
  readonly run: () => void
  readonly idle: boolean
}

/**
 * Virtual time. Timers run in the order of their times, equal ones in the order in which they were set; between two of
 * them everything runs that follows from the first, promises included. Nothing here ever waits.
 */
export class FakeClock implements Clock {
  #now: number
  #alarms: Alarm[] = []
  #turns: (() => void)[] = []

  constructor(start = 1_000) {
    this.#now = start
  }

  now(): number {
    return this.#now
  }

  after(ms: number, run: () => void, { idle = false }: { idle?: boolean } = {}): Timer {
    if (Number.isNaN(ms)) throw new Error('A timer was set for NaN ms')
    const alarm = { time: this.#now + Math.max(0, ms), run, idle }
    this.#alarms.push(alarm)
    return {
      cancel: () => {
        this.#alarms = this.#alarms.filter((other) => other !== alarm)
      },
    }
  }

  at(time: number, task: Task): Timer {
    return this.after(time - this.#now, () => task.due())
  }

  nextTurn(run: () => void): void {
    this.#turns.push(run)
  }

  /** How many timers are set: what has ended must have left none. */
  get armed(): number {
    return this.#alarms.length
  }

  /** How many of them keep a process alive: those that are not idle. */
  get holding(): number {
    return this.#alarms.filter(({ idle }) => !idle).length
  }

  /** Lets run what is due now: turns, and whatever follows from them. */
  async settle(): Promise<void> {
    do {
      const turns = this.#turns
      this.#turns = []
      for (const run of turns) run()
      await allMicrotasks()
    } while (this.#turns.length > 0)
  }

  /** Lets `ms` pass. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await this.settle()
    for (let alarm = this.#next(end); alarm; alarm = this.#next(end)) {
      this.#now = Math.max(this.#now, alarm.time)
      this.#alarms.splice(this.#alarms.indexOf(alarm), 1)
      alarm.run()
      await this.settle()
    }
    this.#now = end
  }

  /** Time goes on, and nothing runs: as for a process that is stopped. What has come due runs at the next `advance`. */
  jump(ms: number): void {
    this.#now += ms
  }

  #next(end: number): Alarm | undefined {
    let next: Alarm | undefined
    for (const alarm of this.#alarms) if (alarm.time <= end && (!next || alarm.time < next.time)) next = alarm
    return next
  }
}

/** Resolves when no promise has anything left to do. */
export function allMicrotasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
