import { expect, test } from 'vitest'
import { walkPlain } from '../../src/protocol/plain-json.js'

const LIMIT = 1_000

const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)])

test.each<[string, unknown]>([
  ['null', null],
  ['a text', 'x'],
  ['a number', 1.5],
  ['zero', 0],
  ['a boolean', false],
  ['an empty object', {}],
  ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
  ['a nest', { a: [{ b: [null, 'c'] }] }],
  ['a key that is inherited elsewhere', { constructor: 1, toString: 2 }],
  ['what stands beside a key that is a symbol', { a: 1, [Symbol('x')]: () => {} }],
])('JSON keeps %s whole', (_, value) => {
  expect(walkPlain(value, LIMIT)).toBe('plain')
})

test.each<[string, unknown]>([
  ['undefined', undefined],
  ['an undefined in an object', { a: undefined }],
  ['an empty place in an array', Array(1)],
  ['NaN', Number.NaN],
  ['Infinity', [Number.POSITIVE_INFINITY]],
  ['-0', { a: -0 }],
  ['a BigInt', 1n],
  ['a Date', new Date(0)],
  ['a Map', [new Map()]],
  ['a Buffer', Buffer.from('x')],
  ['a function', () => {}],
  ['a symbol', Symbol('x')],
  ['an instance of a class', new (class A {})()],
  ['a subclass of Array', new (class List extends Array {})()],
  ['an own __proto__', JSON.parse('{"__proto__":1}')],
  ['a toJSON', { toJSON: () => 1 }],
  ['an Error', new Error('x')],
  ['something very deep, which is for the careful walk', nested(250)],
])('JSON does not keep %s whole', (_, value) => {
  expect(walkPlain(value, LIMIT * 10)).toBe('rich')
})

test('a cycle ends the walk', () => {
  const loop: unknown[] = []
  loop.push(loop)
  expect(walkPlain(loop, LIMIT)).toBe('rich')
})

test('a value over the limit is too large, rich or not', () => {
  expect(walkPlain('x'.repeat(2_000), LIMIT)).toBe('too large')
  expect(walkPlain(['x'.repeat(2_000), new Date()], LIMIT)).toBe('too large')
})

test('a huge array is not walked further than the limit', () => {
  const value = new Proxy(
    Array.from({ length: 1e6 }, () => 1),
    {
      get(target, key) {
        if (Number(key) > 1_000) throw new Error('read on')
        return Reflect.get(target, key)
      },
    },
  )
  // Numbers are not stopped at; what they stand in is.
  expect(walkPlain([{ value: 'x'.repeat(LIMIT) }, value], LIMIT)).toBe('too large')
})

test('an Object.prototype that somebody enlarged makes no object plain by mistake', () => {
  Object.defineProperty(Object.prototype, 'enlarged', { value() {}, enumerable: true, configurable: true })
  const walk = walkPlain({ a: 1 }, LIMIT)
  Reflect.deleteProperty(Object.prototype, 'enlarged')
  expect(walk).toBe('rich')
})
