/**
 * Keeps SIGINT and SIGTERM from this worker until it has drained: Ctrl-C and systemd send them to the whole process group,
 * and the primary leads the stop. The program's own listeners do not run before that either, since most of them end the
 * process at once.
 */
export class SignalHold {
  readonly #emit = process.emit
  /** Only while somebody listens does node keep a signal from ending the process. */
  readonly #keepAlive = (): void => {}

  constructor() {
    const hold = this
    process.on('SIGINT', this.#keepAlive)
    process.on('SIGTERM', this.#keepAlive)
    process.emit = function emit(this: NodeJS.Process, event: string | symbol, ...args: unknown[]): boolean {
      if (event === 'SIGINT' || event === 'SIGTERM') return true
      return Reflect.apply(hold.#emit, this, [event, ...args]) as boolean
    } as typeof process.emit
  }

  /** From now on the signals are the program's, or end the process as usual. */
  release(): void {
    process.emit = this.#emit
    process.off('SIGINT', this.#keepAlive)
    process.off('SIGTERM', this.#keepAlive)
  }
}
