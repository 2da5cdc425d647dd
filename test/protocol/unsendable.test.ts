import { describe, expect, test } from 'vitest'
import { fromRecord } from '../../src/protocol/error-record.js'
import { PayloadError, type Sent } from '../../src/protocol/errors.js'
import type { FailureFrame } from '../../src/protocol/frames.js'
import { standInFor } from '../../src/protocol/unsendable.js'

const cause = new RangeError('A message of 9 bytes is larger than 8')
const from = { id: 1, incarnation: 1 }

describe('for a frame that could not be written', () => {
  test('that asks: whoever asked gets the answer that it cannot be sent', () => {
    const call = standInFor({ kind: 'call', id: 7, to: 2, method: 'm', payload: 'x' }, cause)
    const invoke = standInFor({ kind: 'invoke', route: 9, from, method: 'm', payload: 'x' }, cause)
    expect([call.back, invoke.back]).toMatchObject([{ id: 7 }, { id: 9 }])
    expect([call.instead, invoke.instead]).toEqual([undefined, undefined])
    const error = fromRecord((call.back as FailureFrame).error)
    expect(error).toBeInstanceOf(PayloadError)
    expect(error.message).toBe('args cannot be sent: A message of 9 bytes is larger than 8')
  })

  test('that answers: the other side gets a failure in its place', () => {
    const { instead, back } = standInFor({ kind: 'result', id: 7, payload: 'x' }, cause)
    expect(instead).toMatchObject({ kind: 'failure', id: 7, error: { code: 'ERR_PAYLOAD' } })
    expect(back).toBeUndefined()
  })

  test('that says why there is no answer: the other side learns that much', () => {
    const error = { code: 'ERR_REMOTE', details: { sent: 'yes' satisfies Sent, thrown: 1n } }
    const { instead, back } = standInFor({ kind: 'failure', id: 7, error }, cause)
    expect(instead).toMatchObject({ kind: 'failure', id: 7, error: { code: 'ERR_PAYLOAD', details: { sent: 'yes' } } })
    expect(back).toBeUndefined()
  })

  test('that brings items: the reader gets the error after those before, and the generator is ended', () => {
    const { instead, back } = standInFor({ kind: 'items', id: 7, first: 3, items: ['x'] }, cause)
    expect(fromRecord(instead!.error).message).toMatch(/^items\[3\] cannot be sent/)
    expect(back).toEqual({ kind: 'cancel', id: 7 })
  })

  test('that is a cast of a worker: it learns that it was dropped', () => {
    const { instead, back } = standInFor({ kind: 'call', cast: 300, to: 2, method: 'm', payload: 'x' }, cause)
    expect(back).toMatchObject({ kind: 'dropped', to: 2, cast: 300, error: { code: 'ERR_PAYLOAD' } })
    expect(instead).toBeUndefined()
  })

  test('that nobody waits for: nothing', () => {
    expect(standInFor({ kind: 'call', to: 2, method: 'm', payload: 'x' }, cause)).toEqual({})
    expect(standInFor({ kind: 'cancel', id: 1 }, cause)).toEqual({})
  })
})
