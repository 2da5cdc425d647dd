import fc from 'fast-check'
import { assert, expect, test } from 'vitest'
import { pickLeastBusy } from '../../../src/runtime/placement/least-busy.js'

const candidates = (...calls: number[]) => calls.map((count, index) => ({ incarnation: index + 1, calls: count }))
const pick = (calls: number[], turn = 0): number | undefined => pickLeastBusy(candidates(...calls), turn)?.incarnation

test.each<[number[], number | undefined]>([
  [[], undefined],
  [[5], 1],
  [[3, 1, 2], 2],
  [[0, 0, 0], 1],
  [[2, 1, 1], 2],
])('%j: %j', (calls, picked) => {
  expect(pick(calls)).toBe(picked)
})

test('equals take turns', () => {
  expect([0, 1, 2, 3, 4].map((turn) => pick([1, 0, 0, 0], turn))).toEqual([2, 3, 4, 2, 3])
})

test('nobody is less busy than who is picked, and each of the equals is picked in turn', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 10 }), fc.nat(), (calls, turn) => {
      const fewest = Math.min(...calls)
      const equals = calls.filter((count) => count === fewest).length
      const picked = Array.from({ length: equals }, (_, step) => pick(calls, turn + step) as number)
      assert.isTrue(picked.every((incarnation) => calls[incarnation - 1] === fewest))
      assert.equal(new Set(picked).size, equals)
    }),
  )
})
