import { setImmediate } from 'node:timers'
import { SimulationError } from './simulation-error.js'

/** Whose event it is: one that is stopped has it later, one that is dead has it never. */
export interface EventOwner {
  readonly name: string
  readonly runs: boolean
  /** It does not run now: keep this for when it does. */
  defer(event: VirtualEvent): void
}

/** Where node's event loop does it. A loop that was held up runs all timers that are due, then reads, then its immediates. */
export type Phase = 'timer' | 'input' | 'immediate'

/** Something that happens at a time. Equal times: in the order in which they were set. */
export interface VirtualEvent {
  time: number
  order: number
  readonly phase: Phase
  readonly owner: EventOwner
  readonly run: () => void
  /** Nobody waits for it: the periodic look at something. The simulation is quiet without it. */
  readonly idle: boolean
  /** What it is, for whoever asks why it is not quiet. */
  readonly what: string
  state: 'queued' | 'deferred' | 'over'
}

export interface EventOptions {
  readonly idle?: boolean
  /** Default: input. */
  readonly phase?: Phase
  readonly what: string
}

const PHASES: readonly Phase[] = ['timer', 'input', 'immediate']

/** More events than this without an end are taken for a loop that makes its own work. */
const MAX_EVENTS = 20_000_000

/**
 * The time of a simulation: a queue of events and a number. Between two events everything runs that follows from the first
 * without time, which is what node runs before it looks at an immediate: promises, and `process.nextTick`. Then time jumps
 * to the next. Nothing here waits for real time.
 */
export class VirtualTime {
  #now = 1_000
  #order = 0
  #queue = new EventQueue()
  /** Queued events that are not idle. */
  #busy = 0
  #driving = false
  /** How many events have run. */
  events = 0

  get now(): number {
    return this.#now
  }

  /** Does anything but idle looks remain to happen? */
  get quiet(): boolean {
    return this.#busy === 0
  }

  /** What is still to happen, but for idle looks: "worker 2/5: a timer, at 1204.3". */
  get pending(): readonly string[] {
    return this.#queue.events
      .filter(({ state, idle }) => state === 'queued' && !idle)
      .map(({ owner, what, time }) => `${owner.name}: ${what}, at ${time.toFixed(3)}`)
  }

  at(time: number, owner: EventOwner, run: () => void, options: EventOptions): VirtualEvent {
    const { idle = false, phase = 'input', what } = options
    const due = Math.max(time, this.#now)
    const event: VirtualEvent = { time: due, order: ++this.#order, phase, owner, run, idle, what, state: 'over' }
    this.#enqueue(event)
    return event
  }

  /** What was deferred happens now, in the order of the event loop, and in each phase in the order in which it was due. */
  resume(deferred: readonly VirtualEvent[]): void {
    for (const phase of PHASES)
      for (const event of deferred) {
        if (event.phase !== phase || event.state !== 'deferred') continue
        event.time = this.#now
        event.order = ++this.#order
        this.#enqueue(event)
      }
  }

  #enqueue(event: VirtualEvent): void {
    event.state = 'queued'
    if (!event.idle) this.#busy++
    this.#queue.push(event)
  }

  cancel(event: VirtualEvent): void {
    if (event.state === 'queued') this.#leave(event)
    event.state = 'over'
  }

  /** The owner is dead: what it had to do is not done. */
  forget(owner: EventOwner): void {
    for (const event of this.#queue.events) if (event.owner === owner) this.cancel(event)
  }

  /** Lets `ms` pass. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await this.#drive((next) => next !== undefined && next.time <= end)
    this.#now = end
  }

  /** Lets time pass until `done`, at most `limit` ms. False: the limit came first, or there was nothing left to happen. */
  async runUntil(done: () => boolean, limit: number): Promise<boolean> {
    const end = this.#now + limit
    await this.#drive((next) => !done() && next !== undefined && next.time <= end)
    return done()
  }

  /**
   * Runs events while `goesOn` says so of the next one. Each has an immediate of its own: node runs all promises and ticks
   * to their end before the next immediate, so that none is left when time moves.
   */
  #drive(goesOn: (next: VirtualEvent | undefined) => boolean): Promise<void> {
    if (this.#driving) throw new SimulationError('Time is moving already. Await what moves it before you move it again')
    this.#driving = true
    return new Promise<void>((resolve, reject) => {
      const turn = (): void => {
        try {
          const next = this.#queue.peek()
          if (!goesOn(next) || next === undefined) return resolve()
          this.#queue.pop()
          this.#run(next)
          setImmediate(turn)
        } catch (error) {
          reject(error)
        }
      }
      // First what the caller has just begun.
      setImmediate(turn)
    }).finally(() => {
      this.#driving = false
    })
  }

  #run(event: VirtualEvent): void {
    this.#now = event.time
    this.#leave(event)
    if (!event.owner.runs) {
      event.state = 'deferred'
      event.owner.defer(event)
      return
    }
    event.state = 'over'
    if (++this.events > MAX_EVENTS)
      throw new SimulationError(`${MAX_EVENTS} events have run. The last one: ${event.owner.name}, ${event.what}`)
    event.run()
  }

  #leave(event: VirtualEvent): void {
    if (!event.idle) this.#busy--
  }
}

/** A binary heap by time, then order. What is cancelled stays in it until it comes to the top. */
class EventQueue {
  #heap: VirtualEvent[] = []

  get events(): readonly VirtualEvent[] {
    return this.#heap
  }

  push(event: VirtualEvent): void {
    const heap = this.#heap
    let index = heap.push(event) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent] as VirtualEvent
      if (isBefore(above, event)) break
      heap[index] = above
      index = parent
    }
    heap[index] = event
  }

  peek(): VirtualEvent | undefined {
    while (this.#heap[0] && this.#heap[0].state !== 'queued') this.pop()
    return this.#heap[0]
  }

  pop(): VirtualEvent | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (!last || last === top) return top
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as VirtualEvent, heap[child] as VirtualEvent)) child++
      const below = heap[child] as VirtualEvent
      if (isBefore(last, below)) break
      heap[index] = below
      index = child
    }
    heap[index] = last
    return top
  }
}

function isBefore(a: VirtualEvent, b: VirtualEvent): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order)
}
