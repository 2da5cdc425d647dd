import { beforeEach, expect, test } from 'vitest'
import { RECORDED_FRAMES } from '../../../src/protocol/contract.js'
import type { DownFrame, FrameRecord, UpFrame } from '../../../src/protocol/frames.js'
import type { Transport } from '../../../src/protocol/transport.js'
import { TurnTime } from '../../../src/runtime/evidence/flight-recorder.js'
import { RecordedLink } from '../../../src/runtime/evidence/recorded-link.js'
import { memoryLink } from '../../../src/runtime/transports/memory.js'
import { allMicrotasks, FakeClock } from '../../support/fake-clock.js'

const SECRET = 'the password'
const from = { id: 0, incarnation: 0 }

let clock: FakeClock
let worker: Transport<UpFrame, DownFrame>
let link: RecordedLink

beforeEach(() => {
  clock = new FakeClock()
  const [primary, other] = memoryLink<DownFrame, UpFrame>()
  worker = other
  link = new RecordedLink(primary, new TurnTime(clock))
})

test('keeps what passes in both directions, by names, numbers and times, and never what it carried', async () => {
  const arrived: string[] = []
  link.receive({ frame: ({ kind }) => arrived.push(kind), closed: () => arrived.push('closed') })
  worker.receive({ frame: ({ kind }) => arrived.push(`worker ${kind}`), closed: () => {} })

  link.send({ kind: 'invoke', route: 7, from, method: 'login', payload: SECRET })
  await clock.advance(30)
  worker.send({ kind: 'publish', channel: 'news', payload: SECRET, self: true })
  worker.send({ kind: 'result', id: 7, payload: SECRET })
  await clock.advance(5)
  link.sendNow({ kind: 'drain', mode: 'stop', deadline: 1 })
  await allMicrotasks()

  expect(arrived).toEqual(['worker invoke', 'publish', 'result', 'worker drain'])
  const peer = undefined
  link.seal()
  await clock.advance(1)
  link.send({ kind: 'cancel', id: 8 })
  worker.send({ kind: 'cancel', id: 9 })
  await allMicrotasks()
  const recent = link.recent()
  expect(recent).toEqual([
    { ago: 35, from: 'primary', peer, kind: 'invoke', id: 7, name: 'login' },
    { ago: 5, from: 'worker', peer, kind: 'publish', id: undefined, name: 'news' },
    { ago: 5, from: 'worker', peer, kind: 'result', id: 7, name: undefined },
    { ago: 0, from: 'primary', peer, kind: 'drain', id: undefined, name: undefined },
    // Written before its end, and read after that.
    { ago: 0, from: 'worker', peer, kind: 'cancel', id: 9, name: undefined },
  ])
  expect(JSON.stringify(recent)).not.toContain(SECRET)
})

test('what others tell of direct links has its place in time', async () => {
  const start = clock.now()
  await clock.advance(30)
  link.linkEnded(3, [
    [start + 10, false, 'invoke', -5, 'charge'],
    [start + 30, true, 'result', -5, null],
  ])
  link.linkEnded(4, [[start + 15, true, 'invoke', -9, 'render']])
  link.send({ kind: 'cancel', id: 1 })
  await clock.advance(10)
  link.seal()
  await clock.advance(5)
  link.linkEnded(5, [
    [start + 38, false, 'invoke', -7, 'ship'],
    [start + 45, true, 'result', -7, null],
    [1e308, false, 'cancel', -8, null],
  ])
  const told = link.recent().map(({ ago, from: sender, peer, kind }) => ({ ago, sender, peer, kind }))
  expect(told).toEqual([
    { ago: 30, sender: 'peer', peer: 3, kind: 'invoke' },
    { ago: 25, sender: 'worker', peer: 4, kind: 'invoke' },
    { ago: 10, sender: 'primary', peer: undefined, kind: 'cancel' },
    { ago: 10, sender: 'worker', peer: 3, kind: 'result' },
    { ago: 2, sender: 'peer', peer: 5, kind: 'invoke' },
    // It was read after the end; and what claims to be of the future was not.
    { ago: 0, sender: 'worker', peer: 5, kind: 'result' },
    { ago: 0, sender: 'peer', peer: 5, kind: 'cancel' },
  ])
})

test('keeps of many links no more than of one', async () => {
  await clock.advance(10_000)
  const passed = (at: number): FrameRecord => [at, true, 'cancel', at, null]
  for (let peer = 2; peer < 20; peer++)
    link.linkEnded(
      peer,
      Array.from({ length: RECORDED_FRAMES }, (_, index) => passed(index * 100 + peer)),
    )
  const ids = link.recent().map(({ id }) => id as number)
  expect(ids).toHaveLength(RECORDED_FRAMES)
  expect(Math.min(...ids)).toBe(6_010)
  expect(ids).toEqual([...ids].sort((a, b) => a - b))
})
