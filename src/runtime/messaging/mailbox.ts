import { Numbered } from '../numbered.js'

/** A call or a cast, to the mailbox. */
export interface Letter {
  readonly method: string
  /** The router's number for the call. A cast has none. */
  readonly route: number | undefined
  /** Its number among all that have started here. The mailbox gives it. */
  place: number
  /** Does the call with that route wait for this one? */
  isAwaitedBy(route: number): boolean
  start(): void
}

export type Admission = 'started' | 'queued' | 'full' | 'cycle'

export interface MailboxOptions {
  readonly limit: number
  /** For the whole worker. Infinity: no limit. */
  readonly concurrency: number
  readonly concurrencyOf: (method: string) => number
}

/**
 * The bounded queue in front of a worker's methods. Decides who runs now, who waits, and who is refused; runs nothing.
 *
 * By default everything that is accepted runs at once (a worker is a server). A limit on the worker makes it an actor
 * that takes `concurrency` calls at a time; a limit on a method holds back that method's calls alone.
 */
export class Mailbox {
  readonly #options: MailboxOptions
  /** By their places. */
  readonly #running = new Numbered<Letter>()
  /** Of those, how many are of a method. */
  readonly #runningOf = new Map<string, { count: number }>()
  readonly #waiting = new Set<Letter>()
  readonly #abandoned = new Set<Letter>()
  #lastPlace = 0
  /** Some who waited are being started. */
  #isHandingOn = false
  /** A place has become free meanwhile. */
  #isFreed = false

  constructor(options: MailboxOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#running.size + this.#waiting.size
  }

  /** Of those, how many still run though nobody waits for them any more. */
  get abandoned(): number {
    return this.#abandoned.size
  }

  /** Those that have not started, the next one first. */
  get waiting(): Iterable<Letter> {
    return this.#waiting
  }

  get runningMethods(): string[] {
    return this.#running.values().map(({ method }) => method)
  }

  admit(letter: Letter): Admission {
    if (this.size >= this.#options.limit) return 'full'
    if (this.#mayStart(letter)) {
      this.#start(letter)
      return 'started'
    }
    if (this.#waitsForItself(letter)) return 'cycle'
    this.#waiting.add(letter)
    return 'queued'
  }

  /** The letter has ended: its place goes to whoever waited longest and may now start. */
  release(letter: Letter): void {
    if (!this.#running.delete(letter.place)) return
    this.#count(letter.method, -1)
    if (this.#abandoned.size > 0) this.#abandoned.delete(letter)
    if (this.#waiting.size > 0) this.#handOn()
  }

  /** Nobody waits for it any more. One that runs keeps its place, and is counted as abandoned: true. */
  withdraw(letter: Letter): boolean {
    if (this.#waiting.delete(letter) || !this.#running.has(letter.place)) return false
    this.#abandoned.add(letter)
    return true
  }

  /** One that ends as soon as it has started leaves its place to the next in the same go: not from within, however many. */
  #handOn(): void {
    this.#isFreed = true
    if (this.#isHandingOn) return
    this.#isHandingOn = true
    while (this.#isFreed) {
      this.#isFreed = false
      for (const next of this.#waiting) {
        if (this.#workerIsFull()) break
        if (!this.#mayStart(next)) continue
        this.#waiting.delete(next)
        this.#start(next)
      }
    }
    this.#isHandingOn = false
  }

  #start(letter: Letter): void {
    letter.place = ++this.#lastPlace
    this.#running.set(letter.place, letter)
    this.#count(letter.method, 1)
    letter.start()
  }

  /** Methods are few, and theirs to stay. */
  #count(method: string, more: 1 | -1): void {
    const running = this.#runningOf.get(method)
    if (running) running.count += more
    else this.#runningOf.set(method, { count: more })
  }

  #mayStart(letter: Letter): boolean {
    return !this.#workerIsFull() && !this.#methodIsFull(letter.method)
  }

  #workerIsFull(): boolean {
    return this.#running.size >= this.#options.concurrency
  }

  #methodIsFull(method: string): boolean {
    return (this.#runningOf.get(method)?.count ?? 0) >= this.#options.concurrencyOf(method)
  }

  /** Every place that it could get, in the worker or of its method, is held by a call that waits for it. */
  #waitsForItself(letter: Letter): boolean {
    const waits = ({ route }: Letter): boolean => route !== undefined && letter.isAwaitedBy(route)
    const running = this.#running.values()
    if (this.#workerIsFull() && running.every(waits)) return true
    if (!this.#methodIsFull(letter.method)) return false
    return running.every((other) => other.method !== letter.method || waits(other))
  }
}
