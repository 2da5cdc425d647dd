/** Places at the beginning, a power of two. */
const PLACES = 64

/**
 * Things under numbers that go up, and may come round; each kept for a short while: calls that wait for their answer.
 *
 * A `Map` does that, and costs more than it seems to. V8 makes a new table for it every few hundred entries, and an old
 * table, which still holds all that was in it, points to the next one: as soon as one of them has become old enough to be
 * left to the slow collector, all later ones are kept with everything that was ever in them, until that comes. A third of
 * the primary's time went there. Here a number has one place, its last bits; what lives so long that its place is wanted by
 * another number is kept aside.
 */
export class Numbered<T> {
  /** Which number last had each place: it counts only while there is a thing. */
  #numbers: number[] = new Array<number>(PLACES).fill(0)
  #things: (T | undefined)[] = new Array<T | undefined>(PLACES).fill(undefined)
  #mask = PLACES - 1
  /** Whose place is taken. */
  readonly #aside = new Map<number, T>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(number: number): T | undefined {
    const place = number & this.#mask
    const thing = this.#things[place]
    if (thing !== undefined && this.#numbers[place] === number) return thing
    return this.#aside.size > 0 ? this.#aside.get(number) : undefined
  }

  has(number: number): boolean {
    return this.get(number) !== undefined
  }

  set(number: number, thing: T): void {
    this.delete(number)
    if (this.#size * 2 > this.#mask) this.#grow()
    const place = number & this.#mask
    this.#size++
    if (this.#things[place] !== undefined) {
      this.#aside.set(number, thing)
      return
    }
    this.#numbers[place] = number
    this.#things[place] = thing
  }

  /** What was there. */
  delete(number: number): T | undefined {
    const place = number & this.#mask
    const there = this.#things[place]
    if (there !== undefined && this.#numbers[place] === number) {
      this.#things[place] = undefined
      this.#size--
      return there
    }
    if (this.#aside.size === 0) return undefined
    const thing = this.#aside.get(number)
    if (this.#aside.delete(number)) this.#size--
    return thing
  }

  /** By their numbers. A copy: what is taken out meanwhile is still in it. */
  entries(): [number: number, thing: T][] {
    const entries: [number, T][] = [...this.#aside]
    this.#numbers.forEach((number, place) => {
      const thing = this.#things[place]
      if (thing !== undefined) entries.push([number, thing])
    })
    return entries.sort(([a], [b]) => a - b)
  }

  values(): T[] {
    return this.entries().map(([, thing]) => thing)
  }

  #grow(): void {
    const entries = this.entries()
    const places = (this.#mask + 1) * 2
    this.#numbers = new Array<number>(places).fill(0)
    this.#things = new Array<T | undefined>(places).fill(undefined)
    this.#mask = places - 1
    this.#aside.clear()
    this.#size = 0
    for (const [number, thing] of entries) this.set(number, thing)
  }
}
