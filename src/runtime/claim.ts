/** The one cluster that this process may have, as its primary: node has one set of workers per process, and so have we. */
class ClusterClaim {
  #held = false

  get isHeld(): boolean {
    return this.#held
  }

  take(): void {
    this.#held = true
  }

  release(): void {
    this.#held = false
  }
}

/** The process's own. It stands for a fact about the process, not for state of the library. */
export const claim = new ClusterClaim()
