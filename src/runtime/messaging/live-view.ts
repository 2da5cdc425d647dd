import { inspect } from 'node:util'

/** A map that others may read and not change, in the order of its keys. What it shows is what holds when it is read. */
export class LiveView<V> implements ReadonlyMap<number, V> {
  readonly #source: ReadonlyMap<number, V>

  constructor(source: ReadonlyMap<number, V>) {
    this.#source = source
  }

  get size(): number {
    return this.#source.size
  }

  get(key: number): V | undefined {
    return this.#source.get(key)
  }

  has(key: number): boolean {
    return this.#source.has(key)
  }

  forEach(run: (value: V, key: number, map: ReadonlyMap<number, V>) => void): void {
    for (const [key, value] of this) run(value, key, this)
  }

  entries(): MapIterator<[number, V]> {
    return new Map([...this.#source].sort(([a], [b]) => a - b)).entries()
  }

  keys(): MapIterator<number> {
    return new Map(this.entries()).keys()
  }

  values(): MapIterator<V> {
    return new Map(this.entries()).values()
  }

  [Symbol.iterator](): MapIterator<[number, V]> {
    return this.entries()
  }

  [inspect.custom](): ReadonlyMap<number, V> {
    return new Map(this.entries())
  }
}
