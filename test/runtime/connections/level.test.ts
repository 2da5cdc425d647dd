import fc from 'fast-check'
import { assert, describe, expect, test } from 'vitest'
import { type Load, nextLevel } from '../../../src/runtime/connections/level.js'

/** Workers with so many connections each, of which none was brief unless said otherwise. */
const loads = (lives: readonly number[], brief = 0): Load[] => lives.map((live) => ({ live, brief }))

const someLives = fc.array(fc.nat({ max: 5_000 }), { minLength: 1, maxLength: 16 })
const someLevel = fc.nat({ max: 20_000 })
const meanOf = (lives: readonly number[]): number => lives.reduce((sum, live) => sum + live, 0) / lives.length

describe('the level', () => {
  test.each<[number, number[], number]>([
    [0, [0, 0], 2],
    [2, [2, 0], 3],
    [2, [2, 2], 4],
    [3, [3, 3], 5],
    // The floor of the mean: half a connection is nobody's share.
    [0, [3, 4], 5],
    [0, [66, 66], 68],
    // From a hundred on a share of the mean is more than two.
    [0, [99, 99], 101],
    [0, [100, 100], 103],
    [0, [1_000, 1_000], 1_030],
    [0, [1_000], 1_030],
    // It falls half of the way at a time.
    [1_000, [0, 0], 501],
    [501, [0, 0], 251],
    [4, [0, 0], 3],
    [3, [0, 0], 2],
    // Nobody to go by.
    [7, [], 7],
  ])('of %d is, for workers with %j connections, %d', (current, lives, level) => {
    expect(nextLevel(current, loads(lives))).toBe(level)
  })

  test.each<[number, number[], number, number]>([
    // As many more as are gone by the next report.
    [0, [32, 30], 100, 131],
    [0, [200, 200], 4, 206],
    // It stays while it is not twice as far above the mean: no message for every change.
    [131, [20, 20], 100, 131],
    [131, [20, 20], 50, 100],
    [100, [20, 20], 50, 100],
    // They last now: back to even, by steps.
    [131, [32, 30], 0, 82],
    [82, [32, 30], 0, 57],
  ])('of %d is, for workers with %j connections and %d brief ones each, %d', (current, lives, brief, level) => {
    expect(nextLevel(current, loads(lives, brief))).toBe(level)
  })

  test('lets whoever has least accept, whatever it was before', () => {
    fc.assert(
      fc.property(someLevel, someLives, (current, lives) => {
        assert.isAbove(nextLevel(current, loads(lives)), Math.min(...lives))
      }),
    )
  })

  test('comes to rest a little over the mean, from wherever it was', () => {
    fc.assert(
      fc.property(someLevel, someLives, (current, lives) => {
        let level = current
        for (let steps = 0; steps < 16; steps++) level = nextLevel(level, loads(lives))
        const mean = meanOf(lives)
        assert.isAbove(level, mean)
        assert.isAtMost(level, mean + Math.max(2, mean * 0.03))
      }),
    )
  })

  test('keeps the loads even although whoever may accept takes all it can get', () => {
    const someTaker = fc.infiniteStream(fc.nat({ max: 15 }))
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 8 }), fc.nat({ max: 400 }), someTaker, (workers, connections, takers) => {
        const lives = Array.from({ length: workers }, () => 0)
        let level = 0
        for (let opened = 0; opened < connections; opened++) {
          level = nextLevel(level, loads(lives))
          const open = [...lives.keys()].filter((worker) => lives[worker]! < level)
          const taker = open[takers.next().value % open.length]!
          lives[taker]!++
        }
        const mean = meanOf(lives)
        assert.isAtMost(Math.max(...lives), mean + Math.max(2, mean * 0.03))
      }),
    )
  })
})
