/** Keys from one look to the next. */
const EVERY = 256
/** Keys that are looked up then. */
const SAMPLE = 8
const ROUNDS = 8
const RUNS = 3
/** How much longer that may take than in a table of these keys alone: among keys that are spread it is at most twice. */
const SLOWER = 8

/**
 * Notices keys of a Set or a Map that were chosen to hash alike: each lookup walks through all of them, so that n such keys
 * cost n² steps. V8 hashes text with a secret of the process, but numbers and bigints in a way that everybody can calculate,
 * and that differs from version to version: hence it is the lookups that are measured, the best of some, against a small
 * table of the same keys.
 */
export class Crowding {
  readonly #table: { has(key: unknown): boolean }
  readonly #sample: unknown[] = []
  #seen = 0

  constructor(table: { has(key: unknown): boolean }) {
    this.#table = table
  }

  /** That key is in the table now. Throws when too many are like it. */
  add(key: unknown): void {
    if (typeof key !== 'number' && typeof key !== 'bigint') return
    // Any of those so far, each as likely: whoever chose them cannot know which.
    const place = this.#seen < SAMPLE ? this.#seen : Math.floor(Math.random() * (this.#seen + 1))
    if (place < SAMPLE) this.#sample[place] = key
    if (++this.#seen % EVERY > 0) return
    if (this.#isCrowded() && this.#isCrowded()) throw new Error('has too many keys that hash alike')
  }

  #isCrowded(): boolean {
    const alone = fastest(new Set(this.#sample), this.#sample)
    return fastest(this.#table, this.#sample) > SLOWER * alone
  }
}

/** A pause of this process, or memory that was not in the cache, is no fault of the table. */
function fastest(table: { has(key: unknown): boolean }, keys: readonly unknown[]): number {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now()
    for (let round = 0; round < ROUNDS; round++) for (const key of keys) table.has(key)
    best = Math.min(best, performance.now() - start)
  }
  return best
}
