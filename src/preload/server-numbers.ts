/** By address: the numbers of the servers of this process there, which tell apart those that listen on port 0. */
export class ServerNumbers {
  readonly #addresses = new Map<string, { next: number; readonly used: Set<number> }>()

  /** Numbers go on as long as one of them is in use, and begin anew after that: as node counts. */
  take(address: string): { index: number; release: () => void } {
    const numbers = this.#addresses.get(address) ?? { next: 0, used: new Set() }
    this.#addresses.set(address, numbers)
    const index = numbers.next++
    numbers.used.add(index)
    const release = (): void => {
      numbers.used.delete(index)
      if (numbers.used.size === 0) this.#addresses.delete(address)
    }
    return { index, release }
  }
}
