import { describe, expect, it } from 'vitest'
import { compare, type Sample } from '../../bench/comparison.js'
import { alternate } from '../../bench/rounds.js'
import { ratio, spread } from '../../bench/statistics.js'

const rated = (...rates: number[]): Sample[] =>
  rates.map((perSecond) => ({ perSecond, cpu: { primary: 10, workers: 1_000_000 / perSecond } }))

describe('spread', () => {
  it('is the middle one of an odd number, the mean of the two middle ones of an even number', () => {
    expect(spread([9, 1, 5])).toEqual({ median: 5, low: 1, high: 9 })
    expect(spread([10, 9, 1, 4])).toEqual({ median: 6.5, low: 1, high: 10 })
  })
})

describe('ratio', () => {
  it('pairs values of the same round, so that what slows a whole round down does not count', () => {
    expect(ratio([20, 200, 2_000], [10, 100, 1_000])).toEqual({ median: 2, low: 2, high: 2 })
  })

  it('has an interval within the ratios seen, which holds the median', () => {
    const { low, median, high } = ratio([10, 11, 9, 12, 10, 8, 10], [10, 10, 10, 10, 10, 10, 10])
    expect([low, median, high]).toEqual([expect.closeTo(0.9), 1, expect.closeTo(1.1)])
  })

  it('gives the same interval for the same values', () => {
    const values = [1.4, 0.9, 1.7, 1.1, 1.3]
    expect(ratio(values, [1, 1, 1, 1, 1])).toEqual(ratio(values, [1, 1, 1, 1, 1]))
  })
})

describe('compare', () => {
  const samples = new Map([
    ['ours', rated(170, 190, 180)],
    ['theirs', rated(100, 100, 100)],
  ])
  const against = (atLeast: number) =>
    compare(samples, [{ candidate: 'ours', peer: 'theirs', atLeast }]).find(({ candidate }) => candidate === 'ours')
      ?.against[0]

  it('meets a target that the upper end of the interval reaches', () => {
    expect(against(1.85)).toMatchObject({ peer: 'theirs', rate: { median: 1.8, high: 1.9 }, isMet: true })
  })

  it('misses one that lies above the interval', () => {
    expect(against(1.95)).toMatchObject({ isMet: false })
  })

  it('compares CPU time per operation, primary and workers together', () => {
    expect(against(1)?.cpu.median).toBeCloseTo((10 + 1_000_000 / 180) / (10 + 10_000))
  })

  it('leaves out a peer that was not measured', () => {
    const [line] = compare(samples, [{ candidate: 'ours', peer: 'nobody', atLeast: 2 }])
    expect(line?.against).toEqual([])
  })

  it('holds one candidate against several peers', () => {
    const three = new Map([...samples, ['others', rated(18, 18, 18)]])
    const [line] = compare(three, [
      { candidate: 'ours', peer: 'theirs', atLeast: 1 },
      { candidate: 'ours', peer: 'others', atLeast: 11 },
    ])
    expect(line?.against.map(({ peer, isMet }) => [peer, isMet])).toEqual([
      ['theirs', true],
      ['others', false],
    ])
  })

  describe('with latencies', () => {
    const timed = (...medians: number[]): Sample[] =>
      medians.map((p50) => ({ perSecond: 1, cpu: { primary: 1, workers: 1 }, latency: { p50, p99: 2 * p50 } }))
    const slower = (theirs: Sample[], atMost: number) =>
      compare(
        new Map([
          ['ours', timed(110, 120, 130)],
          ['theirs', theirs],
        ]),
        [{ candidate: 'ours', peer: 'theirs', atMost }],
      )[0]

    it('meets a limit that the lower end of the interval keeps', () => {
      const [comparison] = slower(timed(100, 100, 100), 1.15)?.against ?? []
      expect(comparison).toMatchObject({ latency: { median: 1.2, low: 1.1 }, atMost: 1.15, isMet: true })
    })

    it('misses one that lies below the interval', () => {
      expect(slower(timed(100, 100, 100), 1.05)?.against[0]).toMatchObject({ isMet: false })
    })

    it('gives the median and the 99th percentile over the rounds', () => {
      expect(slower(timed(100, 100, 100), 1)?.latency).toMatchObject({ p50: { median: 120 }, p99: { median: 240 } })
    })

    it('judges nothing by latencies that the peer has not', () => {
      expect(slower(rated(1, 1, 1), 1)?.against[0]).not.toHaveProperty('isMet')
    })
  })
})

describe('alternate', () => {
  it('measures A B, A B, and keeps what belongs to one round together', async () => {
    const order: string[] = []
    const contender = (name: string) => ({ name, measure: async () => order.push(name) })
    const samples = await alternate([contender('a'), contender('b')], 2, () => {})
    expect(order).toEqual(['a', 'b', 'a', 'b'])
    expect([...samples]).toEqual([
      ['a', [1, 3]],
      ['b', [2, 4]],
    ])
  })
})
