import { describe, expect, test } from 'vitest'
import { toThrown } from '../../src/protocol/thrown.js'

const KB = 1024

test('an Error keeps its name, message, code, stack, cause and plain properties', () => {
  const error = Object.assign(new RangeError('no', { cause: new Error('because') }), {
    code: 'E_NO',
    status: 418,
    when: new Date(0),
    retry() {},
  })
  const record = toThrown(error)
  expect(record).toMatchObject({ name: 'RangeError', message: 'no', code: 'E_NO', stack: error.stack })
  expect(record.cause).toMatchObject({ name: 'Error', message: 'because' })
  expect(record.properties).toEqual({ status: 418 })
})

test.each<[string, unknown, string]>([
  ['a text', 'plain text', 'plain text'],
  ['an empty text', '', ''],
  ['null', null, 'null'],
  ['undefined', undefined, 'undefined'],
  ['a number', 42, '42'],
  ['false', false, 'false'],
  ['a symbol', Symbol('x'), 'Symbol(x)'],
  ['an object', { a: 1 }, '{"a":1}'],
  ['an object with a message', { message: 'hello' }, 'hello'],
  ['an object without a prototype', Object.assign(Object.create(null), { b: 2 }), '{"b":2}'],
])('%s becomes an Error with a message', (_, value, message) => {
  expect(toThrown(value)).toMatchObject({ name: 'Error', message })
})

test('a BigInt becomes an Error with a message', () => {
  expect(toThrown(1n)).toEqual({ name: 'Error', message: 'a value that cannot be printed' })
})

test('a frozen error is read as any other', () => {
  expect(toThrown(Object.freeze(new Error('ice')))).toMatchObject({ name: 'Error', message: 'ice' })
})

test('a number is kept as a code, other things are not', () => {
  expect(toThrown(Object.assign(new Error('x'), { code: -2 })).code).toBe(-2)
  expect(toThrown(Object.assign(new Error('x'), { code: { a: 1 } })).code).toBeUndefined()
})

test('properties whose getters throw are left out', () => {
  const error = Object.defineProperties(new Error('x'), {
    bad: {
      enumerable: true,
      get() {
        throw new Error('no')
      },
    },
    good: { enumerable: true, value: 1 },
    message: {
      get() {
        throw new Error('no')
      },
    },
  })
  const record = toThrown(error)
  expect(record.properties).toEqual({ good: 1 })
  expect(record.name).toBe('Error')
})

test('a proxy whose every trap throws becomes an Error with a message', () => {
  const trap = (): never => {
    throw new Error('trap')
  }
  const proxy = new Proxy(
    {},
    { get: trap, ownKeys: trap, getPrototypeOf: trap, has: trap, getOwnPropertyDescriptor: trap },
  )
  expect(toThrown(proxy)).toMatchObject({ name: 'Error', message: 'a value that cannot be printed' })
})

test('a revoked proxy becomes an Error with a message', () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  expect(toThrown(proxy)).toMatchObject({ name: 'Error', message: 'a value that cannot be printed' })
})

test('an own __proto__ is not carried over', () => {
  const record = toThrown(JSON.parse('{"message":"x","__proto__":{"polluted":1},"a":1}'))
  expect(record.properties).toEqual({ a: 1 })
})

describe('is never larger than its limits', () => {
  test('a huge message and stack are cut, and say by how much', () => {
    const record = toThrown(Object.assign(new Error('m'.repeat(KB * KB)), { stack: 's'.repeat(KB * KB) }))
    expect(record.message).toMatch(/^m{8192}… \(1040384 characters more\)$/)
    expect(record.stack).toMatch(/^s{16384}… \(\d+ characters more\)$/)
  })

  test('a huge name and code are cut', () => {
    const record = toThrown({ name: 'n'.repeat(KB), code: 'c'.repeat(KB), message: '' })
    expect(record.name.length).toBeLessThan(300)
    expect(String(record.code).length).toBeLessThan(300)
  })

  test('a huge property is left out', () => {
    expect(toThrown(Object.assign(new Error('x'), { body: 'b'.repeat(KB * KB), status: 500 })).properties).toEqual({
      status: 500,
    })
  })

  test('many properties that are too much together are left out', () => {
    const error = new Error('x')
    for (let index = 0; index < 20; index++) Object.assign(error, { [`p${index}`]: 'x'.repeat(KB) })
    expect(toThrown(error).properties).toBeUndefined()
  })

  test('a chain of causes ends, and so does a circle of them', () => {
    const error: Error & { cause?: unknown } = new Error('round')
    error.cause = error
    let depth = 0
    for (let record = toThrown(error).cause; record; record = record.cause) depth++
    expect(depth).toBe(4)
  })
})

test('whatever is thrown, its record is plain JSON', () => {
  const loop: Record<string, unknown> = {}
  loop.self = loop
  for (const value of [new Error('x'), loop, [1, loop], () => {}, new Map(), Object.assign(new Error('y'), { loop })]) {
    const record = toThrown(value)
    expect(JSON.parse(JSON.stringify(record))).toEqual(JSON.parse(JSON.stringify({ ...record })))
  }
})

test('what its thrower changes afterwards has been copied', () => {
  const state: Record<string, unknown> = { step: 1, rows: [1] }
  const record = toThrown(Object.assign(new Error('x'), { state }))
  state.step = 1n
  ;(state.rows as number[]).push(2)
  expect(record.properties).toEqual({ state: { step: 1, rows: [1] } })
})

test('is as quick for what is huge: little of it is looked at', () => {
  let looked = 0
  const row = Object.defineProperty({}, 'a', { enumerable: true, get: () => ++looked })
  expect(toThrown(Array.from({ length: 100_000 }, () => row))).toMatchObject({
    message: 'a value that is too large to be printed',
  })
  const error = new Error('x')
  for (let key = 0; key < 2_000; key++)
    Object.assign(error, { [`rows${key}`]: Array.from({ length: 1_000 }, () => row) })
  looked = 0
  expect(toThrown(error)).toMatchObject({ message: 'x', properties: undefined })
  expect(looked).toBeLessThan(50_000)
})
