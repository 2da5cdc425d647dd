import { LRUCache } from 'lru-cache'

export interface ReadThroughCacheOptions<V> {
  readonly maxEntries: number
  /** The sum of `sizeOf` over all entries. */
  readonly maxSize: number
  readonly sizeOf: (value: V) => number
}

/** What a load gives: undefined where there is nothing, which is not cached. */
export type Load<V> = (key: string) => V | undefined | Promise<V | undefined>

/**
 * An LRU cache that loads what it does not have, and that can be told to forget.
 *
 * The trap in such a cache is the stale set: a load reads the old row, the row is written, the invalidation comes and
 * finds nothing to forget, and then the load puts the old row into the cache, to stay. So `invalidate` forgets loads
 * too: one that was under way still answers those who waited for it (they asked before the write was confirmed), but
 * what it brings is not cached, and whoever asks from now on starts a load of their own.
 *
 * Hence the promise: a `read` that begins after `invalidate(key)` gives nothing that was loaded before it.
 */
export class ReadThroughCache<V extends object> {
  readonly #values: LRUCache<string, V>
  /** Loads under way that may be joined and cached. Bounded by the requests under way: a load ends with its request. */
  readonly #loads = new Map<string, Promise<V | undefined>>()

  constructor({ maxEntries, maxSize, sizeOf }: ReadThroughCacheOptions<V>) {
    this.#values = new LRUCache({ max: maxEntries, maxSize, sizeCalculation: sizeOf })
  }

  async read(key: string, load: Load<V>): Promise<{ value: V | undefined; isHit: boolean }> {
    const cached = this.#values.get(key)
    if (cached) return { value: cached, isHit: true }
    return { value: await (this.#loads.get(key) ?? this.#load(key, load)), isHit: false }
  }

  invalidate(key: string): void {
    this.#values.delete(key)
    this.#loads.delete(key)
  }

  /** The same for every key. */
  clear(): void {
    this.#values.clear()
    this.#loads.clear()
  }

  #load(key: string, load: Load<V>): Promise<V | undefined> {
    const isCurrent = (): boolean => this.#loads.get(key) === loading
    const loading = (async () => load(key))()
      .then((value) => {
        if (value && isCurrent()) this.#values.set(key, value)
        return value
      })
      .finally(() => {
        if (isCurrent()) this.#loads.delete(key)
      })
    this.#loads.set(key, loading)
    return loading
  }
}
