import { describe, expect, it } from 'vitest'
import { nextStep } from '../../src/preload/spread.js'

/** When each of `count` is closed if nobody leaves by itself and every timer is `late`, ms from the begin. */
function closings(count: number, window: number, late = 0): number[] {
  const times: number[] = []
  for (let time = 0; times.length < count; ) {
    const { now, wait } = nextStep(count - times.length, window - time)
    times.push(...Array<number>(Math.min(now, count - times.length)).fill(time))
    time += wait + late
  }
  return times
}

describe('closing spread over a window', () => {
  it('closes the first at once, the last at its end, and the others evenly between', () => {
    expect(closings(5, 8_000)).toEqual([0, 2_000, 4_000, 6_000, 8_000])
    expect(closings(2, 8_000)).toEqual([0, 8_000])
    expect(closings(1, 8_000)).toEqual([0])
  })

  it('closes several in a step where there are more than steps', () => {
    const times = closings(100_000, 8_000)
    expect(new Set(times).size).toBeLessThanOrEqual(401)
    expect(times.at(-1)).toBeLessThanOrEqual(8_000)
    for (const quarter of [1, 2, 3]) {
      const before = times.filter((time) => time < quarter * 2_000).length
      expect(Math.abs(before - quarter * 25_000)).toBeLessThan(300)
    }
  })

  it('makes up for timers that are late', () => {
    expect(closings(50, 8_000, 300).at(-1)).toBeLessThanOrEqual(8_500)
  })

  it('closes all at once when there is no time', () => {
    expect(closings(3, 0)).toEqual([0, 0, 0])
    expect(closings(3, -5)).toEqual([0, 0, 0])
  })
})
