/** Random choices from a seed: the same seed makes the same choices, on every machine. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1
    // Neighbouring seeds begin alike.
    for (let turn = 0; turn < 8; turn++) this.next()
  }

  /** The seed of one of many runs, so that it can be repeated alone. */
  static of(seed: number, run: number): Random {
    return new Random(Math.imul(seed ^ (run + 0x9e3779b9), 0x85ebca6b) ^ Math.imul(run, 0xc2b2ae35))
  }

  /** A whole number of 32 bits. */
  next(): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state >>> 0
    return this.#state
  }

  /** From 0 to `limit` - 1. */
  below(limit: number): number {
    return this.next() % limit
  }

  oneIn(count: number): boolean {
    return this.below(count) === 0
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T
  }

  list<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, make)
  }
}
