import { expect, test } from 'vitest'
import { UsageError } from '../../src/protocol/errors.js'
import {
  expectBoolean,
  expectDuration,
  expectFunction,
  expectKnown,
  expectNumber,
  expectObject,
  expectOneOf,
  expectPositiveInteger,
} from '../../src/runtime/expect.js'
import { thrown } from '../support/outcome.js'

const refusal = (run: () => unknown): string => thrown(UsageError, run).message

test.each([1, 2, Number.MAX_SAFE_INTEGER])('%s is a positive integer', (value) => {
  expect(expectPositiveInteger(value, 'n')).toBe(value)
})

test.each<[unknown, string]>([
  [0, '0'],
  [-1, '-1'],
  [1.5, '1.5'],
  [Number.NaN, 'NaN'],
  [Number.POSITIVE_INFINITY, 'Infinity'],
  [2 ** 53, '9007199254740992'],
  ['1', '"1"'],
  [1n, '1n'],
  [null, 'null'],
  [undefined, 'undefined'],
])('%s is no positive integer', (value, text) => {
  expect(refusal(() => expectPositiveInteger(value, 'workers'))).toBe(
    `Expected \`workers\` to be a positive integer, got ${text}`,
  )
})

test.each([1, 0.5, 2 ** 31 - 1])('%s is a duration', (value) => {
  expect(expectDuration(value, 't')).toBe(value)
})

test.each([0, -1, 2 ** 31, Number.NaN, Number.POSITIVE_INFINITY, '5', null])('%s is no duration', (value) => {
  expect(refusal(() => expectDuration(value, 'timeouts.call'))).toMatch(
    /^Expected `timeouts\.call` to be a number of milliseconds between 1 and 2147483647, got /,
  )
})

test('a number keeps within its bounds, both of them included', () => {
  expect(expectNumber(0, 'n', 0, 1)).toBe(0)
  expect(expectNumber(1, 'n', 0, 1)).toBe(1)
  for (const wrong of [-0.1, 1.1, Number.NaN, '0'])
    expect(refusal(() => expectNumber(wrong, 'jitter', 0, 1))).toMatch(
      /^Expected `jitter` to be a number between 0 and 1/,
    )
})

test('truth is true or false, and nothing like it', () => {
  expect(expectBoolean(false, 'b')).toBe(false)
  for (const wrong of [0, 'true', null, undefined])
    expect(refusal(() => expectBoolean(wrong, 'silent'))).toMatch(/^Expected `silent` to be true or false, got /)
})

test('a function is a function', () => {
  expect(() => expectFunction(() => {}, 'f')).not.toThrow()
  expect(refusal(() => expectFunction({}, 'hook'))).toBe('Expected `hook` to be a function, got an object')
})

test('one of some names is named with all of them', () => {
  expect(expectOneOf('a', 'n', ['a', 'b'])).toBe('a')
  expect(refusal(() => expectOneOf('toString', 'balance', ['a', 'b']))).toBe(
    "Expected `balance` to be one of 'a', 'b', got \"toString\"",
  )
})

test('an object is no list and not null', () => {
  expect(expectObject({ a: 1 }, 'o')).toEqual({ a: 1 })
  expect(refusal(() => expectObject([], 'limits'))).toBe('Expected `limits` to be an object, got an array')
  expect(refusal(() => expectObject(null, 'limits'))).toBe('Expected `limits` to be an object, got null')
})

test('an option that nobody knows is named, with those that are known', () => {
  expect(() => expectKnown({ a: 1 }, ['a', 'b'], '')).not.toThrow()
  expect(refusal(() => expectKnown({ worker: 1 }, ['workers', 'exec'], ''))).toBe(
    'Unknown option `worker`. Known are `workers`, `exec`',
  )
  expect(refusal(() => expectKnown({ calls: 1 }, ['call'], 'timeouts.'))).toBe(
    'Unknown option `timeouts.calls`. Known are `timeouts.call`',
  )
})
