/** A promise that is settled from outside, once, and can be asked whether it was, and with what. */
export class Latch<T> {
  readonly promise: Promise<T>
  #resolve!: (value: T) => void
  #fired = false
  #value: T | undefined

  constructor() {
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  get fired(): boolean {
    return this.#fired
  }

  get value(): T | undefined {
    return this.#value
  }

  /** The first value is the one that counts. */
  fire(value: T): void {
    if (this.#fired) return
    this.#fired = true
    this.#value = value
    this.#resolve(value)
  }
}
