/**
 * Many calls on one signal, one listener on it: node warns of a leak when an AbortSignal gets more than ten, and a signal
 * for a thousand calls is no leak.
 */
export class AbortSignals {
  readonly #listeners = new Map<
    AbortSignal,
    { readonly all: Set<(reason: unknown) => void>; readonly stop: () => void }
  >()

  /** Calls `listener` at the abort. Returns what takes it back; the last one to go takes the listener off the signal. */
  on(signal: AbortSignal, listener: (reason: unknown) => void): () => void {
    const entry = this.#listeners.get(signal) ?? this.#listen(signal)
    entry.all.add(listener)
    return () => {
      if (!entry.all.delete(listener) || entry.all.size > 0) return
      entry.stop()
      if (this.#listeners.get(signal) === entry) this.#listeners.delete(signal)
    }
  }

  #listen(signal: AbortSignal): { readonly all: Set<(reason: unknown) => void>; readonly stop: () => void } {
    const all = new Set<(reason: unknown) => void>()
    const fire = (): void => {
      for (const listener of [...all]) listener(signal.reason)
    }
    signal.addEventListener('abort', fire, { once: true })
    const entry = { all, stop: () => signal.removeEventListener('abort', fire) }
    this.#listeners.set(signal, entry)
    return entry
  }
}
