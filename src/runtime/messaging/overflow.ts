import type { Overflow } from '../../protocol/contract.js'
import type { ProcessRef } from '../../protocol/ids.js'
import type { Clock } from '../clock.js'
import type { OverflowEvent } from '../overflow-event.js'

/** One event per process, channel and interval, ms: a flood must not become a flood of events. */
const INTERVAL = 1_000

interface Flood {
  readonly event: Omit<OverflowEvent, 'dropped'>
  dropped: number
}

/** Counts the messages that processes miss, and tells: the first at once, the rest of an interval in one. */
export class OverflowReports {
  readonly #clock: Clock
  readonly #tell: (event: OverflowEvent) => void
  readonly #floods = new Map<string, Flood>()
  total = 0

  constructor(clock: Clock, tell: (event: OverflowEvent) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  add({ id, incarnation }: ProcessRef, channel: string, overflow: Overflow): void {
    this.total++
    const key = `${incarnation} ${channel}`
    const flood = this.#floods.get(key)
    if (flood) {
      flood.dropped++
      return
    }
    const event = { id, incarnation, channel, overflow }
    this.#floods.set(key, { event, dropped: 0 })
    this.#tell({ ...event, dropped: 1 })
    this.#clock.after(INTERVAL, () => this.#end(key), { idle: true })
  }

  #end(key: string): void {
    const flood = this.#floods.get(key)
    this.#floods.delete(key)
    if (flood && flood.dropped > 0) this.#tell({ ...flood.event, dropped: flood.dropped })
  }
}
