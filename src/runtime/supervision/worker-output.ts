import type { Readable } from 'node:stream'
import type { Clock } from '../clock.js'
import { InspectorLines } from '../evidence/inspector-lines.js'
import { OutputTail } from '../evidence/output-tail.js'
import { withinReading } from '../within.js'

export interface WorkerOutputOptions {
  readonly clock: Clock
  /** Where it goes on to. */
  readonly forward: (bytes: Buffer) => void
}

/** How long the rest of a dead worker's stderr is waited for: a grandchild may hold the pipe open for ever. */
const GRACE = 100

/** A worker that has woken up says once more that its inspector is open, at most a turn later than it is heard, ms. */
const AFTER_LOOK = 1_000

/** What a worker writes to stderr: passed on, and its end kept for the evidence, but for what comes of our own looks at it. */
export class WorkerOutput {
  readonly #options: WorkerOutputOptions
  readonly #tail = new OutputTail()
  readonly #closed: Promise<void>
  /** While it is looked at, and how many looks that are. */
  #lines: InspectorLines | undefined
  #looks = 0

  constructor(stderr: Readable | null, options: WorkerOutputOptions) {
    this.#options = options
    stderr?.on('data', (chunk: Buffer) => this.#keep(this.#lines?.take(chunk) ?? chunk))
    const closed = stderr ? new Promise<void>((resolve) => stderr.once('close', resolve)) : Promise.resolve()
    this.#closed = closed.then(() => this.#endLooks())
  }

  /** The end of it. */
  text(): string {
    return this.#tail.text()
  }

  /** Resolves when all has been read; a grandchild that holds the pipe open does not count. */
  async read(): Promise<void> {
    await withinReading(this.#options.clock, GRACE, this.#closed)
  }

  /** It is about to be looked at. What node says of that is left out, until the worker is heard again, and a moment longer. */
  leaveOutLook(heard: Promise<void>): void {
    this.#looks++
    this.#lines ??= new InspectorLines()
    void heard.then(() => {
      this.#options.clock.after(AFTER_LOOK, () => --this.#looks === 0 && this.#endLooks(), { idle: true })
    })
  }

  #endLooks(): void {
    const held = this.#lines?.flush()
    this.#lines = undefined
    if (held) this.#keep(held)
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#tail.add(bytes)
    this.#options.forward(bytes)
  }
}
