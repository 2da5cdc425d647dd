import fc from 'fast-check'
import { assert, describe, expect, test } from 'vitest'
import { PayloadError } from '../../../src/protocol/errors.js'
import { encodePayload } from '../../../src/protocol/payload.js'
import { toThrown } from '../../../src/protocol/thrown.js'
import { LineMeter, lineLimit } from '../../../src/runtime/transports/line-limit.js'

describe('a line takes', () => {
  const payload = 64 * 1024
  const fits = (frame: object): boolean => Buffer.byteLength(JSON.stringify(frame)) < lineLimit(payload)

  test.each(['"', '\\', '\u4e2d', '\u0001', '\ud800'])(
    'the largest payload of nothing but %j, escaped once more',
    (text) => {
      let count = payload
      const encode = () => encodePayload(text.repeat(count), { opaque: true, limit: payload, root: 'args' })
      for (;;) {
        try {
          expect(fits({ kind: 'call', payload: encode() })).toBe(true)
          return
        } catch (error) {
          if (!(error instanceof PayloadError)) throw error
          count = Math.floor(count * 0.9)
        }
      }
    },
  )

  test('as many items as share a frame, however they are written', () => {
    const items = Array.from({ length: 64 }, () => JSON.stringify({ plain: '\u4e2d'.repeat(1_000) }))
    expect(fits({ kind: 'items', id: 1, first: 0, items })).toBe(true)
  })

  test('an error with causes, each as large as it may be', () => {
    let error = new Error('"'.repeat(9_000))
    for (let depth = 0; depth < 6; depth++)
      error = Object.assign(new Error('\u4e2d'.repeat(9_000), { cause: error }), {})
    expect(fits({ kind: 'failure', id: 1, error: { code: 'ERR_REMOTE', details: { thrown: toThrown(error) } } })).toBe(
      true,
    )
  })
})

test('the meter tells the longest line, however it is cut', () => {
  const piece = fc.oneof(
    fc.constant('\n'),
    fc.string({ maxLength: 20 }).map((text) => text.replaceAll('\n', '')),
  )
  fc.assert(
    fc.property(fc.array(piece), fc.integer({ min: 1, max: 9 }), (pieces, size) => {
      const bytes = Buffer.from(pieces.join(''))
      const meter = new LineMeter()
      let longest = 0
      for (let at = 0; at < bytes.length; at += size)
        longest = Math.max(longest, meter.take(bytes.subarray(at, at + size)))
      const real = Math.max(
        ...bytes
          .toString('latin1')
          .split('\n')
          .map(({ length }) => length),
      )
      assert.isAtLeast(longest, real)
      assert.isAtMost(longest, Math.max(real, size))
    }),
  )
})
