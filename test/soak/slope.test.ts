import { describe, expect, test } from 'vitest'
import { slopeOf } from './slope.js'

/** Repeatable, and even enough. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

/** So many megabytes an hour over half an hour, with noise that lasts: garbage that comes and goes. */
function memory(perHour: number): number[] {
  const random = seeded(7)
  let noise = 0
  return Array.from({ length: 1_800 }, (_, second) => {
    noise = noise * 0.95 + (random() - 0.5) * 4
    return 100 + (perHour / 3_600) * second + noise
  })
}

describe('the slope of memory', () => {
  test('of what does not grow is not different from zero', () => {
    const { low, high } = slopeOf(memory(0), { every: 1, random: seeded(1) })
    expect(low).toBeLessThanOrEqual(0)
    expect(high).toBeGreaterThanOrEqual(0)
  })

  test('of what grows is, and is about what it grows by', () => {
    const { perHour, low } = slopeOf(memory(40), { every: 1, random: seeded(1) })
    expect(low).toBeGreaterThan(0)
    expect(Math.abs(perHour - 40)).toBeLessThan(8)
  })

  test('is the same of fewer samples', () => {
    const sparse = memory(40).filter((_, second) => second % 5 === 0)
    expect(Math.abs(slopeOf(sparse, { every: 5, random: seeded(1) }).perHour - 40)).toBeLessThan(8)
  })

  test('is not moved by a few samples that lie far off', () => {
    const samples = memory(0)
    for (const at of [1_700, 1_720, 1_740]) samples[at] = 900
    expect(slopeOf(samples, { every: 1, random: seeded(1) }).low).toBeLessThanOrEqual(0)
  })
})
