/**
 * A token bucket: `burst` actions at once, then `perSecond` on average.
 *
 * Pure apart from its own level; the time is handed in (milliseconds of a monotonic clock). It needs no timer, because
 * the level is worked out when somebody asks.
 */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

export class TokenBucket {
  readonly #rate: Rate
  #tokens: number
  #countedAt: number

  constructor(rate: Rate, now: number) {
    this.#rate = rate
    this.#tokens = rate.burst
    this.#countedAt = now
  }

  /** Takes one token: 0 when there was one, else the milliseconds until there will be. A refusal costs nothing. */
  take(now: number): number {
    const elapsed = Math.max(0, now - this.#countedAt)
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + (elapsed / 1000) * this.#rate.perSecond)
    this.#countedAt = now
    if (this.#tokens >= 1) {
      this.#tokens -= 1
      return 0
    }
    return Math.ceil(((1 - this.#tokens) / this.#rate.perSecond) * 1000)
  }
}
