import { expect, test } from 'vitest'
import type { DownFrame, UpFrame } from '../../../src/protocol/frames.js'
import {
  FlightRecorder,
  RECORDED_FRAMES,
  RecordedLink,
  TurnTime,
} from '../../../src/runtime/evidence/flight-recorder.js'
import { memoryLink } from '../../../src/runtime/transports/memory.js'
import { allMicrotasks, FakeClock } from '../../support/fake-clock.js'

const SECRET = 'the password'
const from = { id: 0, incarnation: 0 }

test('keeps what passes in both directions, by names, numbers and times, and never what it carried', async () => {
  const clock = new FakeClock()
  const recorder = new FlightRecorder(new TurnTime(clock))
  const [primary, worker] = memoryLink<DownFrame, UpFrame>()
  const link = new RecordedLink(primary, recorder)
  const arrived: string[] = []
  link.receive({ frame: ({ kind }) => arrived.push(kind), closed: () => arrived.push('closed') })
  worker.receive({ frame: ({ kind }) => arrived.push(`worker ${kind}`), closed: () => {} })

  link.send({ kind: 'invoke', route: 7, from, method: 'login', payload: SECRET })
  await clock.advance(30)
  worker.send({ kind: 'publish', channel: 'news', payload: SECRET, self: true })
  worker.send({ kind: 'result', id: 7, payload: SECRET })
  await clock.advance(5)
  link.sendNow({ kind: 'drain', mode: 'stop', deadline: 1 })
  link.close()
  await allMicrotasks()

  expect(arrived).toEqual(['worker invoke', 'publish', 'result', 'worker drain', 'closed'])
  expect(recorder.recent()).toEqual([
    { ago: 35, from: 'primary', kind: 'invoke', id: 7, name: 'login' },
    { ago: 5, from: 'worker', kind: 'publish', id: undefined, name: 'news' },
    { ago: 5, from: 'worker', kind: 'result', id: 7, name: undefined },
    { ago: 0, from: 'primary', kind: 'drain', id: undefined, name: undefined },
  ])
  expect(JSON.stringify(recorder.recent())).not.toContain(SECRET)
})

test('keeps the last ones, the oldest first, and what was told before stays as it was', () => {
  const recorder = new FlightRecorder(new TurnTime(new FakeClock()))
  for (let id = 1; id <= 10; id++) recorder.add('worker', { kind: 'cancel', id })
  const early = recorder.recent()
  for (let id = 11; id <= 1_000; id++) recorder.add('worker', { kind: 'cancel', id })
  expect(early.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  const ids = Array.from({ length: RECORDED_FRAMES }, (_, index) => 1_001 - RECORDED_FRAMES + index)
  expect(recorder.recent().map(({ id }) => id)).toEqual(ids)
})

test('leaves out what only says how things stand', () => {
  const recorder = new FlightRecorder(new TurnTime(new FakeClock()))
  recorder.add('worker', { kind: 'invoke', method: 'm', from, payload: undefined })
  recorder.add('worker', { kind: 'load', connections: 1 })
  recorder.add('worker', { kind: 'health', lag: 0, rss: 0, heap: 0, requests: 0, debugged: false, inspectable: true })
  recorder.add('primary', { kind: 'probe', closeInspector: false })
  expect(recorder.recent().map(({ kind }) => kind)).toEqual(['invoke'])
})
