import fc from 'fast-check'
import { assert, expect, test } from 'vitest'
import { Numbered } from '../../src/runtime/numbered.js'

test('a number that is not there gives nothing, whatever its place holds', () => {
  const numbered = new Numbered<string>()
  numbered.set(1, 'one')
  expect(numbered.get(1 + 64)).toBeUndefined()
  expect(numbered.delete(1 + 64)).toBeUndefined()
  expect(numbered.has(0)).toBe(false)
  expect(numbered.size).toBe(1)
})

test('one that stays long keeps its thing while thousands come and go at its place', () => {
  const numbered = new Numbered<number>()
  numbered.set(3, 3)
  for (let number = 4; number < 20_000; number++) {
    numbered.set(number, number)
    expect(numbered.delete(number)).toBe(number)
  }
  expect(numbered.values()).toEqual([3])
})

test('numbers below zero have their places too, and 0 is one of the numbers', () => {
  const numbered = new Numbered<string>()
  expect(numbered.get(0)).toBeUndefined()
  expect(numbered.delete(0)).toBeUndefined()
  for (const number of [-1, 0, -64, -65, -(2 ** 31) - 5]) numbered.set(number, `${number}`)
  expect(numbered.values()).toEqual(['-2147483653', '-65', '-64', '-1', '0'])
  expect(numbered.delete(-64)).toBe('-64')
  expect(numbered.delete(-64)).toBeUndefined()
  expect([numbered.get(-1), numbered.get(0), numbered.size]).toEqual(['-1', '0', 4])
})

test('numbers beyond 32 bits are told apart', () => {
  const numbered = new Numbered<string>()
  numbered.set(7, 'low')
  numbered.set(7 + 2 ** 32, 'high')
  numbered.set(2 ** 52 + 7, 'highest')
  expect([7, 7 + 2 ** 32, 2 ** 52 + 7].map((number) => numbered.get(number))).toEqual(['low', 'high', 'highest'])
})

test('is a Map of ascending numbers, whatever comes and goes', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ skip: fc.integer({ min: 1, max: 200 }) }) },
    { weight: 2, arbitrary: fc.record({ remove: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ again: fc.nat() }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const numbered = new Numbered<string>()
      const map = new Map<number, string>()
      let last = 0
      const anyOf = (index: number): number => [...map.keys()][index % Math.max(1, map.size)] ?? last + 1
      for (const action of steps) {
        if ('skip' in action) {
          last += action.skip
          numbered.set(last, `${last}`)
          map.set(last, `${last}`)
        } else if ('remove' in action) {
          const number = anyOf(action.remove)
          assert.equal(numbered.delete(number), map.get(number))
          map.delete(number)
        } else {
          const number = anyOf(action.again)
          numbered.set(number, 'again')
          map.set(number, 'again')
        }
        assert.equal(numbered.size, map.size)
        for (const [number, thing] of map) assert.equal(numbered.get(number), thing)
      }
      assert.deepEqual(
        numbered.entries(),
        [...map].sort(([a], [b]) => a - b),
      )
    }),
  )
})
