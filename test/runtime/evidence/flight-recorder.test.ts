import { expect, test } from 'vitest'
import { RECORDED_FRAMES } from '../../../src/protocol/contract.js'
import type { FrameRecord } from '../../../src/protocol/frames.js'
import { FlightRecorder, TurnTime } from '../../../src/runtime/evidence/flight-recorder.js'
import { FakeClock } from '../../support/fake-clock.js'

const from = { id: 0, incarnation: 0 }
const idsOf = (frames: readonly FrameRecord[]) => frames.map(([, , , id]) => id)

test('keeps the last ones, the oldest first, and what was told before stays as it was', () => {
  const recorder = new FlightRecorder(new TurnTime(new FakeClock()))
  for (let id = 1; id <= 10; id++) recorder.received({ kind: 'cancel', id })
  const early = recorder.recent()
  for (let id = 11; id <= 1_000; id++) recorder.received({ kind: 'cancel', id })
  expect(idsOf(early)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  const ids = Array.from({ length: RECORDED_FRAMES }, (_, index) => 1_001 - RECORDED_FRAMES + index)
  expect(idsOf(recorder.recent())).toEqual(ids)
})

test('leaves out what only says how things stand', () => {
  const recorder = new FlightRecorder(new TurnTime(new FakeClock()))
  recorder.received({ kind: 'invoke', method: 'm', from, payload: undefined })
  recorder.received({ kind: 'load', connections: 1 })
  recorder.received({ kind: 'health', lag: 0, rss: 0, heap: 0, requests: 0, debugged: false, inspectable: true })
  recorder.sent({ kind: 'probe', closeInspector: false })
  recorder.sent({ kind: 'fence', peer: 1, n: 1 })
  expect(recorder.recent().map(([, , kind]) => kind)).toEqual(['invoke'])
})
