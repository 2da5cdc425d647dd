import { beforeEach, expect, test } from 'vitest'
import type { PartMemory } from '../../../../src/protocol/binary-parts.js'
import { encodePayload } from '../../../../src/protocol/payload.js'
import { isParts, type Payload } from '../../../../src/protocol/payload-forms.js'
import { PartPool } from '../../../../src/runtime/messaging/direct/part-pool.js'
import { FakeClock } from '../../../support/fake-clock.js'

let clock: FakeClock
let pool: PartPool

beforeEach(() => {
  clock = new FakeClock()
  pool = new PartPool(clock)
})

const encoded = (value: unknown, memory: PartMemory = pool): Payload =>
  encodePayload(value, { opaque: true, memory, limit: 64e6, root: 'args' })

function memoryOf(payload: Payload): ArrayBufferLike[] {
  if (!isParts(payload)) throw new Error('has no parts')
  return payload.parts.map(({ buffer }) => buffer)
}

test('memory of what has been answered is used again, the smallest that will do', () => {
  const [large, small] = [encoded(Buffer.alloc(150_000)), encoded(Buffer.alloc(100_000))]
  const [most] = memoryOf(large)
  const [least] = memoryOf(small)
  pool.giveBack(large)
  pool.giveBack(small)
  expect(memoryOf(encoded(Buffer.alloc(90_000)))).toEqual([least])
  const payload = encoded(Buffer.alloc(90_000, 7))
  expect(memoryOf(payload)[0]).toBe(most)
  expect(isParts(payload) && payload.parts[0]).toEqual(Buffer.alloc(90_000, 7))
  expect([least, most]).not.toContain(memoryOf(encoded(Buffer.alloc(90_000)))[0])
})

test('nothing has memory that is in use', () => {
  const payloads = Array.from({ length: 5 }, () => encoded([Buffer.alloc(70_000), Buffer.alloc(80_000)]))
  for (const payload of payloads.slice(0, 2)) pool.giveBack(payload)
  const more = Array.from({ length: 5 }, () => encoded([Buffer.alloc(70_000), Buffer.alloc(80_000)]))
  const inUse = [...payloads.slice(2), ...more].flatMap(memoryOf)
  expect(new Set(inUse).size).toBe(16)
})

test('what is more than twice as large, or small, is not taken', () => {
  const large = encoded(Buffer.alloc(1_000_000))
  pool.giveBack(large)
  expect(memoryOf(encoded(Buffer.alloc(400_000)))[0]).not.toBe(memoryOf(large)[0])
  const small = encoded(Buffer.alloc(60_000))
  pool.giveBack(small)
  expect(memoryOf(encoded(Buffer.alloc(60_000)))[0]).not.toBe(memoryOf(small)[0])
})

test('keeps so much, and for so long', async () => {
  const payloads = Array.from({ length: 10 }, () => encoded(Buffer.alloc(1024 * 1024)))
  for (const payload of payloads) pool.giveBack(payload)
  /** How much of what was kept is there, while others hold the rest. */
  const again = (): number => {
    const taken = Array.from({ length: 10 }, () => encoded(Buffer.alloc(1024 * 1024)))
    const kept = taken.filter((payload) => known.has(memoryOf(payload)[0] as ArrayBufferLike))
    for (const payload of kept) pool.giveBack(payload)
    return kept.length
  }
  const known = new Set(payloads.flatMap(memoryOf))
  expect(again()).toBe(8)
  for (let pauses = 0; pauses < 3; pauses++) {
    await clock.advance(1_500)
    expect(again()).toBe(8)
  }
  await clock.advance(4_500)
  expect(again()).toBe(0)
  expect(clock.armed).toBe(0)
})

test('makes room for what is sent now', () => {
  const large = Array.from({ length: 8 }, () => encoded(Buffer.alloc(1024 * 1024)))
  for (const payload of large) pool.giveBack(payload)
  const small = encoded(Buffer.alloc(100_000))
  pool.giveBack(small)
  expect(memoryOf(encoded(Buffer.alloc(100_000)))).toEqual(memoryOf(small))
  expect(large.flatMap(memoryOf)).toContain(memoryOf(encoded(Buffer.alloc(1024 * 1024)))[0])
})

test('keeps nothing of payloads without parts', () => {
  for (const payload of [undefined, 'text', encoded({ plain: 1 })]) pool.giveBack(payload)
  expect(clock.armed).toBe(0)
})
