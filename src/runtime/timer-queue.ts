import { AsyncResource } from 'node:async_hooks'

export interface Timer {
  cancel(): void
}

/** What is to be done at some time: an object, so that a call needs no function of its own for its deadline. */
export interface Task {
  due(): void
}

/** What `setTimeout` can hold, 24.8 days. */
export const MAX_DELAY = 2 ** 31 - 1

/** Milliseconds without a timer that may be kept beside those that have one, before the list is gone through. */
const SLACK = 64

/** All that are due in one millisecond. */
interface Moment {
  alarms: Alarm[]
  /** They run one after the other: who is taken back now keeps its place, and is passed over. */
  isNow: boolean
}

/** One timer: at its moment while it waits, at none when it has run or was cancelled. */
class Alarm implements Timer {
  readonly task: Task
  readonly idle: boolean
  readonly #queue: TimerQueue
  moment: Moment | undefined
  /** Among those of its moment. */
  place = 0

  constructor(queue: TimerQueue, task: Task, idle: boolean) {
    this.#queue = queue
    this.task = task
    this.idle = idle
  }

  cancel(): void {
    this.#queue.cancel(this)
  }
}

/**
 * Many timers on one of node's. Every call sets one and takes it back a moment later: that costs a place in a list here,
 * and node's own timer is set anew once in a while. Timers run in the order of their milliseconds, never before their time.
 */
export class TimerQueue {
  readonly #now: () => number
  /** By the millisecond in which they are due. */
  readonly #moments = new Map<number, Moment>()
  /** Its keys, the next one first. A moment may have become empty meanwhile. */
  #times: number[] = []
  #size = 0
  /** Timers that keep the process alive. */
  #holding = 0
  #timer: NodeJS.Timeout | undefined
  /** While timers run, what they set waits for the next millisecond, or it would hold up all else. */
  #earliest = 0
  /** When node's timer is due. */
  #armedFor = Number.POSITIVE_INFINITY
  /** Node's timer belongs to no call, whoever sets it: what it runs must not inherit one. */
  readonly #outside = new AsyncResource('TroupeTimers', { requireManualDestroy: true })
  readonly #onTimer = (): void => this.#fire()

  constructor(now: () => number) {
    this.#now = now
  }

  /** Milliseconds for which there is a list, empty ones too. */
  get kept(): number {
    return this.#times.length
  }

  add(ms: number, run: () => void, idle: boolean): Timer {
    // At least one, as with `setTimeout`: what sets the next one when it runs must not hold up all else.
    return this.at(this.#now() + Math.max(ms, 1), { due: run }, idle)
  }

  at(due: number, task: Task, idle: boolean): Timer {
    const alarm = new Alarm(this, task, idle)
    const time = Math.max(Math.ceil(due), this.#earliest)
    const moment = this.#moments.get(time) ?? this.#open(time)
    alarm.moment = moment
    alarm.place = moment.alarms.length
    moment.alarms.push(alarm)
    this.#size++
    if (!idle && this.#holding++ === 0) this.#timer?.ref()
    if (time < this.#armedFor) this.#arm(time)
    return alarm
  }

  cancel(alarm: Alarm): void {
    const { moment, place } = alarm
    if (!moment) return
    this.#leave(alarm)
    if (moment.isNow) return
    const last = moment.alarms.pop() as Alarm
    if (last !== alarm) {
      moment.alarms[place] = last
      last.place = place
    }
    if (moment.alarms.length === 0 && this.#times.length > 2 * this.#size + SLACK) this.#forgetEmpty()
  }

  #leave(alarm: Alarm): void {
    alarm.moment = undefined
    this.#size--
    if (!alarm.idle && --this.#holding === 0) this.#timer?.unref()
  }

  #open(time: number): Moment {
    const moment: Moment = { alarms: [], isNow: false }
    this.#moments.set(time, moment)
    // Nearly always the last one: most timers have the same delay.
    let index = this.#times.length
    while (index > 0 && (this.#times[index - 1] as number) > time) index--
    this.#times.splice(index, 0, time)
    return moment
  }

  /** Some are kept: calls that are made one after the other share a moment. */
  #forgetEmpty(): void {
    this.#times = this.#times.filter((time) => {
      const isWanted = !this.#isEmpty(time)
      if (!isWanted) this.#moments.delete(time)
      return isWanted
    })
  }

  #isEmpty(time: number): boolean {
    return this.#moments.get(time)?.alarms.length === 0
  }

  #arm(time: number): void {
    this.#armedFor = time
    clearTimeout(this.#timer)
    this.#timer = this.#outside.runInAsyncScope(
      setTimeout,
      undefined,
      this.#onTimer,
      Math.min(Math.max(1, Math.ceil(time - this.#now())), MAX_DELAY),
    )
    if (this.#holding === 0) this.#timer.unref()
  }

  #fire(): void {
    this.#armedFor = Number.POSITIVE_INFINITY
    const now = this.#now()
    this.#earliest = Math.floor(now) + 1
    try {
      for (let time = this.#times[0]; time !== undefined && time <= now; time = this.#times[0]) this.#run(time)
    } finally {
      this.#earliest = 0
      while (this.#times.length > 0 && this.#isEmpty(this.#times[0] as number))
        this.#moments.delete(this.#times.shift() as number)
      const [next] = this.#times
      if (next !== undefined && next < this.#armedFor) this.#arm(next)
    }
  }

  #run(time: number): void {
    const moment = this.#moments.get(time) as Moment
    this.#moments.delete(time)
    this.#times.shift()
    moment.isNow = true
    let done = 0
    try {
      for (const alarm of moment.alarms) {
        done++
        if (!alarm.moment) continue
        this.#leave(alarm)
        alarm.task.due()
      }
    } finally {
      // One of them threw, which ends the process or is caught by it: the others still have their turn.
      for (const alarm of moment.alarms.slice(done)) this.#postpone(alarm, time)
    }
  }

  #postpone(alarm: Alarm, time: number): void {
    if (!alarm.moment) return
    const moment = this.#moments.get(time) ?? this.#open(time)
    alarm.moment = moment
    alarm.place = moment.alarms.push(alarm) - 1
  }
}
