import fc from 'fast-check'
import { assert, expect, test } from 'vitest'
import { Outbox } from '../../../src/runtime/transports/outbox.js'

interface Frame {
  readonly kind: string
  readonly payload?: string
  readonly items?: readonly string[]
}

const KB = 1_024

const ofSize = (size: number): Frame => ({ kind: 'message', payload: 'x'.repeat(size) })

function filled(...frames: readonly Frame[]): Outbox<Frame> {
  const outbox = new Outbox<Frame>()
  for (const frame of frames) outbox.add(frame)
  return outbox
}

test('64 frames are due, however small, and so are 16 KiB', () => {
  const small = filled(...Array.from({ length: 63 }, () => ofSize(1)))
  expect(small.isDue).toBe(false)
  small.add(ofSize(1))
  expect(small.isDue).toBe(true)
  expect(filled(ofSize(16 * KB - 1)).isDue).toBe(false)
  expect(filled(ofSize(16 * KB)).isDue).toBe(true)
  expect(filled({ kind: 'items', items: ['x'.repeat(16 * KB)] }).isDue).toBe(true)
})

test('payloads and items are counted apart, and together', () => {
  const outbox = filled(ofSize(5), { kind: 'items', items: ['ab', 'c'] })
  expect([outbox.payloadSize, outbox.size]).toEqual([5, 8])
  outbox.clear()
  expect([outbox.length, outbox.payloadSize, outbox.size]).toEqual([0, 0, 0])
})

test('a batch ends before 256 KiB, but for a frame that is larger by itself', () => {
  const outbox = filled(ofSize(100 * KB), ofSize(100 * KB), ofSize(100 * KB), ofSize(300 * KB), ofSize(1))
  const lengths = [outbox.takeBatch(), outbox.takeBatch(), outbox.takeBatch(), outbox.takeBatch()].map(
    ({ length }) => length,
  )
  expect(lengths).toEqual([2, 1, 1, 1])
  expect(outbox.length).toBe(0)
})

test('the oldest that matches is taken out, and nothing when none does', () => {
  const outbox = filled(ofSize(1), ofSize(2), ofSize(2))
  const second = ofSize(2)
  expect(outbox.take(({ payload }) => payload?.length === 2)).toEqual(second)
  expect([outbox.length, outbox.size]).toEqual([2, 3])
  expect(outbox.take(({ payload }) => payload === '')).toBeUndefined()
  expect(outbox.length).toBe(2)
})

test('all come out once and in order, and what is counted is what is left, whatever is taken when', () => {
  const size = fc.oneof(fc.nat(40), fc.constantFrom(3 * KB, 90 * KB, 260 * KB))
  const step = fc.oneof(
    size.map((add) => ({ add })),
    fc.constant({ batch: true as const }),
    fc.nat(40).map((take) => ({ take })),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const outbox = new Outbox<Frame>()
      let left: Frame[] = []
      for (const step of steps) {
        if ('add' in step) {
          const frame = ofSize(step.add)
          left.push(frame)
          outbox.add(frame)
        } else if ('batch' in step) {
          const batch = outbox.takeBatch()
          assert.equal(batch.length > 0, left.length > 0)
          assert.isAtMost(batch.length, 64)
          batch.forEach((frame, index) => {
            assert.equal(frame, left[index])
          })
          left = left.slice(batch.length)
        } else {
          const index = left.findIndex(({ payload }) => payload?.length === step.take)
          assert.equal(
            outbox.take(({ payload }) => payload?.length === step.take),
            left[index],
          )
          if (index >= 0) left.splice(index, 1)
        }
        assert.equal(outbox.length, left.length)
        assert.equal(
          outbox.size,
          left.reduce((sum, { payload }) => sum + (payload?.length ?? 0), 0),
        )
      }
    }),
  )
})
