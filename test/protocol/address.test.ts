import { describe, expect, test } from 'vitest'
import { describeTarget, printable, toAddress } from '../../src/protocol/address.js'
import { traitsOf } from '../../src/protocol/method-table.js'

test.each<[unknown, unknown]>([
  [1, { kind: 'worker', id: 1 }],
  [4_294_967_296, { kind: 'worker', id: 4_294_967_296 }],
  ['any', { kind: 'any' }],
  ['primary', { kind: 'primary' }],
])('%s is an address', (target, address) => {
  expect(toAddress(target)).toEqual(address)
})

test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', 'Any', '', null, undefined, {}, [1], true, 1n])(
  '%s is no address',
  (target) => {
    expect(toAddress(target)).toBeUndefined()
  },
)

test.each<[number | 'any' | 'primary', string]>([
  [2, 'worker 2'],
  [0, 'the primary'],
  ['primary', 'the primary'],
  ['any', 'any worker'],
])('%s is called "%s"', (target, text) => {
  expect(describeTarget(target)).toBe(text)
})

describe('printable', () => {
  test.each<[unknown, string]>([
    ['a "b"', '"a \\"b\\""'],
    ['x'.repeat(100), `"${'x'.repeat(60)}…"`],
    [-1, '-1'],
    [12n, '12n'],
    [null, 'null'],
    [undefined, 'undefined'],
    [Symbol('x'), 'a symbol'],
    [() => {}, 'a function'],
    [[1], 'an array'],
    [{ a: 1 }, 'an object'],
  ])('%s', (value, text) => {
    expect(printable(value)).toBe(text)
  })

  test('never runs code of the value', () => {
    const value = {
      toString() {
        throw new Error('ran')
      },
    }
    expect(printable(value)).toBe('an object')
  })
})

test('a method table answers for own names alone', () => {
  const table = JSON.parse('{"resize":{"timeout":5},"__proto__":{"timeout":6}}')
  expect(traitsOf(table, 'resize')).toEqual({ timeout: 5 })
  expect(traitsOf(table, 'toString')).toBeUndefined()
  expect(traitsOf({}, 'constructor')).toBeUndefined()
})
