import { beforeEach, describe, expect, test } from 'vitest'
import { CallTimeoutError, WorkerUnavailableError } from '../../../src/protocol/errors.js'
import { CallEvidence, type Late } from '../../../src/runtime/messaging/call-evidence.js'
import { FakeClock } from '../../support/fake-clock.js'

let clock: FakeClock
let evidence: CallEvidence
const open = new Set<number>()

beforeEach(() => {
  clock = new FakeClock(1_000)
  open.clear()
  for (const id of [1, 2]) open.add(id)
  evidence = new CallEvidence(clock, (id) => open.has(id))
})

const held = (id: number, held: boolean): void => evidence.hold({ kind: 'held', id, held })
const late = (id: number, fields: Partial<Late> = {}) =>
  evidence.lateError(id, { name: { target: 2, method: 'm' }, timeout: 100, due: clock.now(), ...fields })()

describe('a request that is late', () => {
  test('and of which nothing is known', () => {
    expect(late(1)).toBeInstanceOf(CallTimeoutError)
    expect(late(1)).toMatchObject({ sent: 'maybe', stage: { kind: 'unknown' } })
  })

  test('and waits in the primary, was not sent', async () => {
    held(1, true)
    await clock.advance(70)
    expect(evidence.isHeld(1)).toBe(true)
    expect(late(1)).toBeInstanceOf(WorkerUnavailableError)
    expect(late(1)).toMatchObject({ sent: 'no', message: expect.stringContaining('the call waited 70 ms') })
    expect(late(2)).toBeInstanceOf(CallTimeoutError)
  })

  test('and has left the primary, may have been', () => {
    held(1, true)
    held(1, false)
    expect(late(1)).toMatchObject({ code: 'ERR_CALL_TIMEOUT', sent: 'maybe' })
  })

  test('may have been sent, too, when this process has read nothing for a while', () => {
    held(1, true)
    expect(late(1, { due: clock.now() - 50 })).toBeInstanceOf(WorkerUnavailableError)
    expect(late(1, { due: clock.now() - 51 })).toBeInstanceOf(CallTimeoutError)
  })

  test('says what its target said last, and how old that is', async () => {
    evidence.progress({ kind: 'progress', at: 1_000, lag: 7, calls: [{ id: 1, stage: { kind: 'running', ms: 30 } }] })
    await clock.advance(40)
    expect(evidence.hasBegun(1)).toBe(true)
    expect(late(1)).toMatchObject({ sent: 'yes', stage: { kind: 'running', ms: 30 }, age: 40, lag: 7 })
  })

  test('has begun when items have arrived', () => {
    held(1, true)
    expect(late(1, { stream: { rule: 'idle', items: 3 } })).toMatchObject({ code: 'ERR_CALL_TIMEOUT', sent: 'yes' })
  })
})

test('nothing is kept of what has ended, or was never there', () => {
  held(1, true)
  evidence.forget(1)
  open.delete(2)
  held(2, true)
  evidence.progress({ kind: 'progress', at: 1_000, lag: 0, calls: [{ id: 2, stage: { kind: 'running', ms: 30 } }] })
  expect([evidence.isHeld(1), evidence.isHeld(2), evidence.hasBegun(2)]).toEqual([false, false, false])
})
