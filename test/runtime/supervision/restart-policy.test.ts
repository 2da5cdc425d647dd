import fc from 'fast-check'
import { assert, describe, expect, test } from 'vitest'
import {
  backoffDelay,
  DEFAULT_RESTART,
  decideRestart,
  type RestartOptions,
} from '../../../src/runtime/supervision/restart-policy.js'

const crashed = { code: 1, signal: null }
const options = (fields: Partial<RestartOptions> = {}): RestartOptions => ({ ...DEFAULT_RESTART, ...fields })
/** Without jitter. */
const MIDDLE = 0.5

describe("OTP's rule: more than `max` within `within` is the limit", () => {
  test.each<{ history: number[]; now: number; max?: number; kept: number[]; outcome: string }>([
    { history: [], now: 1_000, kept: [1_000], outcome: 'restart 1' },
    { history: [0], now: 29_999, kept: [0, 29_999], outcome: 'restart 2' },
    { history: [0], now: 30_000, kept: [30_000], outcome: 'restart 1' },
    { history: [1, 2, 3, 4], now: 5, kept: [1, 2, 3, 4, 5], outcome: 'restart 5' },
    { history: [1, 2, 3, 4, 5], now: 6, kept: [1, 2, 3, 4, 5, 6], outcome: 'limit' },
    { history: [1, 2, 3, 4, 5], now: 30_001, kept: [2, 3, 4, 5, 30_001], outcome: 'restart 5' },
    { history: [], now: 1, max: 0, kept: [1], outcome: 'limit' },
    { history: [1, 1, 1], now: 1, max: 3, kept: [1, 1, 1, 1], outcome: 'limit' },
  ])('$history, now $now: $outcome', ({ history, now, max = 5, kept, outcome }) => {
    const decision = decideRestart(crashed, history, now, options({ max }), MIDDLE)
    assert(decision.kind !== 'leave')
    expect(decision.kind === 'restart' ? `restart ${decision.attempt}` : decision.kind).toBe(outcome)
    expect(decision.history).toEqual(kept)
  })

  test('never more than `max` restarts in any window, whenever it dies', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 80 })
    fc.assert(
      fc.property(gaps, fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 1_000 }), (steps, max, within) => {
        let now = 0
        let history: readonly number[] = []
        const restarts: number[] = []
        for (const step of steps) {
          now += step
          const decision = decideRestart(crashed, history, now, options({ max, within }), MIDDLE)
          assert(decision.kind !== 'leave')
          history = decision.history
          if (decision.kind === 'restart') restarts.push(now)
          assert.isAtMost(restarts.filter((time) => now - time < within).length, max)
        }
      }),
    )
  })

  test('what is remembered stays bounded while the limit is kept to', () => {
    let history: readonly number[] = []
    for (let now = 0; now < 100_000; now += 10_000) {
      const decision = decideRestart(crashed, history, now, options(), MIDDLE)
      assert(decision.kind === 'restart')
      history = decision.history
      expect(history.length).toBeLessThanOrEqual(DEFAULT_RESTART.max)
    }
  })
})

describe('the policy', () => {
  test.each<[RestartOptions['policy'], number | null, string | null, string]>([
    ['permanent', 0, null, 'restart'],
    ['permanent', 1, null, 'restart'],
    ['permanent', null, 'SIGKILL', 'restart'],
    ['transient', 0, null, 'leave'],
    ['transient', 1, null, 'restart'],
    ['transient', null, 'SIGTERM', 'restart'],
    ['temporary', 0, null, 'leave'],
    ['temporary', 1, null, 'leave'],
    ['temporary', null, 'SIGSEGV', 'leave'],
  ])('%s, code %s, signal %s: %s', (policy, code, signal, outcome) => {
    expect(decideRestart({ code, signal }, [], 0, options({ policy }), MIDDLE).kind).toBe(outcome)
  })
})

describe('the pause', () => {
  const { backoff } = DEFAULT_RESTART

  test('is none before the first restart, then grows by the factor up to the longest', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 50, 2_000].map((attempt) => backoffDelay(attempt, backoff, MIDDLE))).toEqual(
      [0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000, 10_000],
    )
  })

  test('varies by the jitter, either way', () => {
    expect(backoffDelay(2, backoff, 0)).toBeCloseTo(80)
    expect(backoffDelay(2, backoff, 1)).toBeCloseTo(120)
    expect(backoffDelay(2, { ...backoff, jitter: 0 }, 0)).toBe(100)
  })

  test('keeps within its bounds for any options', () => {
    const any = fc.record({
      min: fc.integer({ min: 1, max: 1_000 }),
      max: fc.integer({ min: 1_000, max: 100_000 }),
      factor: fc.double({ min: 1, max: 100, noNaN: true }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(any, fc.integer({ min: 2, max: 10_000 }), random, (limits, attempt, chance) => {
        const delay = backoffDelay(attempt, limits, chance)
        assert.isAtMost(delay, limits.max)
        assert.isAtLeast(delay, limits.min * (1 - limits.jitter) - 1e-9)
      }),
    )
  })

  test('is what a decision says', () => {
    expect(decideRestart(crashed, [1, 2], 3, options(), MIDDLE)).toEqual({
      kind: 'restart',
      delay: 200,
      attempt: 3,
      history: [1, 2, 3],
    })
  })
})
