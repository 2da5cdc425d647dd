import { expect, test } from 'vitest'
import { type RecycleOptions, type Wear, wornBy } from '../../../src/runtime/supervision/recycle-policy.js'

const worn = (options: Partial<RecycleOptions>, wear: Partial<Wear>) =>
  wornBy({ rss: 0, heap: 0, age: 0, requests: 0, random: 0, ...wear }, { jitter: 0.2, ...options })

test('nothing wears a worker out unless a limit is given', () => {
  expect(worn({}, { rss: 1e12, heap: 1e12, age: 1e12, requests: 1e12 })).toBeUndefined()
})

test.each(['rss', 'heap', 'age', 'requests'] as const)('%s: at the limit', (reason) => {
  expect(worn({ [reason]: 1_000 }, { [reason]: 999 })).toBeUndefined()
  expect(worn({ [reason]: 1_000 }, { [reason]: 1_000 })).toEqual({ reason, value: 1_000, limit: 1_000 })
})

test('age and requests are lower for each process by a share of its own; memory is not', () => {
  expect(worn({ age: 1_000 }, { age: 900, random: 0.5 })).toEqual({ reason: 'age', value: 900, limit: 900 })
  expect(worn({ age: 1_000 }, { age: 899, random: 0.5 })).toBeUndefined()
  expect(worn({ requests: 100, jitter: 1 }, { requests: 50, random: 0.5 })).toMatchObject({ limit: 50 })
  expect(worn({ age: 1_000, jitter: 0 }, { age: 999, random: 0.9 })).toBeUndefined()
  expect(worn({ rss: 1_000 }, { rss: 900, random: 0.9 })).toBeUndefined()
})

test('of several that are reached the first is told', () => {
  expect(worn({ requests: 1, rss: 1 }, { rss: 5, requests: 5 })).toMatchObject({ reason: 'rss' })
})
