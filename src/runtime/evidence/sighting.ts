/** What could be seen of a process that gives no sign of life, from outside. */
export interface Sighting {
  /**
   * Of its main thread, as the system says. `running`: it computes. `sleeping`: it waits, in a system call or for a lock.
   * `stopped`: by SIGSTOP or a debugger. `unknown`: the system does not say.
   */
  readonly activity: 'running' | 'sleeping' | 'stopped' | 'unknown'
  /** Its JavaScript stack, innermost frame first, one per line; `undefined` when it could not be had. */
  readonly stack: string | undefined
  /** Why there is no stack. */
  readonly reason: string | undefined
}

/** Of a process that nobody can look at. */
export function unseen(reason: string): Sighting {
  return { activity: 'unknown', stack: undefined, reason }
}
