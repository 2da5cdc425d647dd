import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { assert, expect, test } from 'vitest'
import { fromBinaryRecord, isBinary, toBinaryRecord } from '../../src/protocol/binary.js'

test('takes every view and ArrayBuffer for binary, and nothing else', () => {
  for (const value of [Buffer.alloc(1), new Int8Array(1), new DataView(new ArrayBuffer(1)), new ArrayBuffer(1)])
    expect(isBinary(value)).toBe(true)
  for (const value of [[1], { length: 1 }, 'x', null, undefined, new Blob([])]) expect(isBinary(value)).toBe(false)
})

test('gives back the same bytes, at any offset of any buffer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat({ max: 7 }), (bytes, offset) => {
      const pool = new Uint8Array(bytes.length + offset)
      pool.set(bytes, offset)
      const view = new Uint8Array(pool.buffer, offset)
      assert.isTrue(isDeepStrictEqual(fromBinaryRecord(toBinaryRecord(view)), view))
    }),
  )
})

test('says its kind and its bytes in base64', () => {
  expect(toBinaryRecord(new Uint16Array([1]))).toEqual({ type: 'Uint16Array', data: 'AQA=' })
  expect(toBinaryRecord(Buffer.from('hi'))).toEqual({ type: 'Buffer', data: 'aGk=' })
})

test('a 64-bit view is read at its own alignment', () => {
  const back = fromBinaryRecord({ type: 'BigInt64Array', data: Buffer.alloc(16, 1).toString('base64') })
  expect((back as BigInt64Array).length).toBe(2)
})

test.each<[string, unknown]>([
  ['undefined', undefined],
  ['no type', { data: '' }],
  ['no data', { type: 'Buffer' }],
  ['an unknown type', { type: 'Float128Array', data: '' }],
  ['a type that every object inherits', { type: '__proto__', data: '' }],
  ['half an element', { type: 'Int16Array', data: 'AA==' }],
])('refuses a record with %s', (_, record) => {
  expect(() => fromBinaryRecord(record)).toThrow(/binary value/)
})
