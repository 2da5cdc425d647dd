import { describe, expect, test } from 'vitest'
import { PayloadError } from '../../src/protocol/errors.js'
import type { Payload } from '../../src/protocol/frames.js'
import { decodePayload, encodePayload } from '../../src/protocol/payload.js'

const COUNT = 4_000

/** V8 hashes a bigint by its lowest 64 bits. */
const alike = Array.from({ length: COUNT }, (_, index) => (BigInt(index) << 64n) + 7n)
const spread = Array.from({ length: COUNT }, (_, index) => BigInt(index) * 987_654_321_987n)

/** As V8 has hashed a small integer in tables for long. */
function hashOf(key: number): number {
  let hash = (~key + (key << 15)) >>> 0
  hash = (hash ^ (hash >>> 12)) >>> 0
  hash = (hash + (hash << 2)) >>> 0
  hash = (hash ^ (hash >>> 4)) >>> 0
  hash = Math.imul(hash, 2_057) >>> 0
  return hash ^ (hash >>> 16)
}

function integersAlike(): number[] {
  const keys: number[] = []
  for (let key = 0; keys.length < COUNT; key++) if ((hashOf(key) & (COUNT - 1)) === 0) keys.push(key)
  return keys
}

function encode(value: unknown): Payload {
  return encodePayload(value, { opaque: true, limit: 4_000_000, root: 'args' })
}

describe('keys that were chosen to hash alike', () => {
  test.each([
    ['a set', new Set(alike)],
    ['a map', new Map(alike.map((key) => [key, 1]))],
    ['a set with others between', new Set(alike.flatMap((key, index) => [key, `text ${index}`]))],
  ])('are refused in %s', (_, value) => {
    const payload = encode(value)
    expect(() => decodePayload(payload, 'args')).toThrow(PayloadError)
    expect(() => decodePayload(payload, 'args')).toThrow('has too many keys that hash alike')
  })

  test('are refused when they are integers, where V8 hashes those as it did', ({ skip }) => {
    const keys = integersAlike()
    if (stepsOf(keys) < 20 * stepsOf(keys.map((key) => key + 1_234_567))) skip('this V8 spreads them')
    expect(() => decodePayload(encode(new Set(keys)), 'args')).toThrow('has too many keys that hash alike')
  })
})

/** How long a table of them takes, in whatever unit: the best of some. */
function stepsOf(keys: readonly number[]): number {
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now()
    void new Set(keys)
    return performance.now() - start
  })
  return Math.min(...times)
}

test.each([
  ['bigints', spread],
  ['few bigints, alike', alike.slice(0, 250)],
  ['integers', Array.from({ length: 50_000 }, (_, index) => index * 64)],
  ['fractions', Array.from({ length: 20_000 }, (_, index) => index / 7)],
  ['texts', Array.from({ length: 20_000 }, (_, index) => `key ${index}`)],
])('other keys are read: %s', (_, keys) => {
  const value = new Set<unknown>(keys)
  expect(decodePayload(encode(value), 'args')).toEqual(value)
})
