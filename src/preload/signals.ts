const HELD: readonly (string | symbol)[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Keeps SIGINT, SIGTERM and SIGHUP from this worker until it has drained: a terminal and systemd send them to the whole
 * process group, and the primary leads the stop, or the reload. The program's own listeners do not run before that either,
 * since most of them end the process at once.
 */
export class SignalHold {
  #holds = true
  /** Only while somebody listens does node keep a signal from ending the process. */
  readonly #listener = (): void => {}

  constructor() {
    for (const signal of HELD) process.on(signal, this.#listener)
    const emit = process.emit
    const hold = (): boolean => this.#holds
    process.emit = function heldEmit(this: NodeJS.Process, event: string | symbol, ...args: unknown[]): boolean {
      if (hold() && HELD.includes(event)) return true
      return Reflect.apply(emit, this, [event, ...args]) as boolean
    } as typeof process.emit
  }

  /** From now on the signals are the program's, or end the process as usual. Others may have wrapped `emit` since: it stays. */
  release(): void {
    this.#holds = false
    for (const signal of HELD) process.off(signal, this.#listener)
  }
}
