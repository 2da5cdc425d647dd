import { UsageError } from '../protocol/errors.js'
import type { Logger } from './logger.js'

// biome-ignore lint/suspicious/noExplicitAny: the event map gives each listener its own type.
type Listener = (detail: any) => void

/**
 * Typed events. Node's own emitter lets a listener that throws break the code that reported the event, which here would
 * be supervision: this one logs it and goes on.
 */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener>>()
  readonly #logger: Logger
  readonly #names: readonly (keyof Events)[]

  constructor(logger: Logger, names: readonly (keyof Events)[]) {
    this.#logger = logger
    this.#names = names
  }

  /** Adds a listener; the same function is added once. Returns what removes it. */
  on<E extends keyof Events>(event: E, listener: (detail: Events[E]) => void): () => void {
    if (!this.#names.includes(event))
      throw new UsageError(`There is no event ${JSON.stringify(event)}. Events are ${this.#names.join(', ')}`)
    if (typeof listener !== 'function') throw new UsageError(`Expected a function as the listener of ${String(event)}`)
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners.add(listener))
    return () => this.off(event, listener)
  }

  off<E extends keyof Events>(event: E, listener: (detail: Events[E]) => void): void {
    this.#listeners.get(event)?.delete(listener)
  }

  emit<E extends keyof Events>(event: E, detail: Events[E]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        listener(detail)
      } catch (error) {
        this.#logger.error(`a listener of '${String(event)}' threw`, error)
      }
    }
  }
}
