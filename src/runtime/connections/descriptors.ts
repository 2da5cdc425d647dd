import { closeSync, openSync, readFileSync } from 'node:fs'
import type { Clock, Timer } from '../clock.js'

/** Descriptors that are kept for everything but connections: files, pipes, the channel itself. */
const RESERVE = 32

/**
 * The descriptors of a process. Past its own limit libuv closes whatever waits to be accepted, without a word; so accepting
 * ends a little before, until some are free again. A new descriptor is the lowest free one, so that its number tells how
 * many are in use.
 */
export interface Descriptors {
  /** Is this one of those that no connection should have? */
  isReserved(fd: number): boolean
  /** Would the next connection get such a one? */
  areShort(): boolean
}

export class ProcessDescriptors implements Descriptors {
  readonly #limit: number | undefined
  /** Not asked for before the first connection: a worker's start does not wait for it. */
  #firstReserved: number | undefined

  constructor(limit?: number) {
    this.#limit = limit
  }

  isReserved(fd: number): boolean {
    if (this.#firstReserved === undefined) {
      const limit = this.#limit ?? openFilesLimit()
      this.#firstReserved = limit - Math.min(RESERVE, Math.ceil(limit / 4))
    }
    return fd >= this.#firstReserved
  }

  areShort(): boolean {
    try {
      const next = openSync('/dev/null', 'r')
      closeSync(next)
      return this.isReserved(next)
    } catch (error) {
      return ['EMFILE', 'ENFILE'].includes((error as NodeJS.ErrnoException).code ?? '')
    }
  }
}

/** How long nothing is accepted when descriptors run out, before it is looked whether some are free, ms. */
const PAUSE = 100

/** The time in which nothing is accepted for want of descriptors: as long as it takes. */
export class DescriptorPause {
  readonly #descriptors: Descriptors
  readonly #clock: Clock
  readonly #over: () => void
  #timer: Timer | undefined

  constructor(descriptors: Descriptors, clock: Clock, over: () => void) {
    this.#descriptors = descriptors
    this.#clock = clock
    this.#over = over
  }

  get holds(): boolean {
    return this.#timer !== undefined
  }

  /** False when it holds already. */
  begin(): boolean {
    if (this.#timer) return false
    this.#timer = this.#clock.after(PAUSE, () => this.#look(), { idle: true })
    return true
  }

  cancel(): void {
    this.#timer?.cancel()
  }

  #look(): void {
    this.#timer = undefined
    if (this.#descriptors.areShort()) this.begin()
    else this.#over()
  }
}

/** `ulimit -n` as it holds for this process: node raises it at its start as far as it may. Unknown is no limit. */
function openFilesLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
