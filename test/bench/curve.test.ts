import { describe, expect, test } from 'vitest'
import { fitLine, isLinear, points, stepInFlat } from '../../bench/growth/curve.js'
import { compareCosts } from '../../bench/values.js'

const curve = (...costs: number[]) => costs.map((cost, index) => ({ size: index + 1, cost }))

describe('a curve', () => {
  test('has the median of the rounds at each size, in order', () => {
    const samples = new Map([
      [10, [3, 1, 2]],
      [1, [5]],
    ])
    expect(points(samples)).toEqual([
      { size: 1, cost: 5 },
      { size: 10, cost: 2 },
    ])
  })

  test('that is flat may fall and waver, and may not rise', () => {
    expect(stepInFlat(curve(9, 5, 6, 5.5))).toBeUndefined()
    expect(stepInFlat(curve(9, 5, 6, 6.6))).toBe(4)
  })

  test('that is a line has its slope and start', () => {
    const fit = fitLine(curve(12, 14, 16, 18))
    expect([fit.slope, fit.start, fit.farthest]).toEqual([2, 10, 0])
    expect(isLinear(fit)).toBe(true)
  })

  test('with a step is none', () => {
    expect(isLinear(fitLine(curve(10, 11, 12, 30, 31, 32)))).toBe(false)
  })
})

describe('costs', () => {
  const costs = (...values: number[]) => values.map((value) => ({ value }))
  const samples = new Map([
    ['ours', costs(108, 112, 110)],
    ['theirs', costs(100, 100, 100)],
  ])
  const against = (target: object) =>
    compareCosts(samples, [{ candidate: 'ours', peer: 'theirs', ...target }]).find(
      ({ candidate }) => candidate === 'ours',
    )?.against

  test('meet a target when the lower end of the interval is within it', () => {
    expect(against({ atMost: 1.09 })).toMatchObject({ times: { median: 1.1 }, isMet: true })
    expect(against({ atMost: 1.07 })).toMatchObject({ isMet: false })
  })

  test('may be held to a difference', () => {
    expect(against({ over: 9 })).toMatchObject({ more: { median: 10, low: 8, high: 12 }, isMet: true })
    expect(against({ over: 7 })).toMatchObject({ isMet: false })
  })
})
