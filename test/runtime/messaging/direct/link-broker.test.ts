import { beforeEach, expect, test } from 'vitest'
import type { DownFrame, FrameRecord } from '../../../../src/protocol/frames.js'
import { LinkBroker } from '../../../../src/runtime/messaging/direct/link-broker.js'
import { allMicrotasks, FakeClock } from '../../../support/fake-clock.js'

let clock: FakeClock
let sent: Map<number, DownFrame[]>
/** What each has been told of links that have ended. */
let ended: object[]
let fenced: string[]
let broker: LinkBroker

beforeEach(() => {
  clock = new FakeClock()
  sent = new Map()
  ended = []
  fenced = []
  broker = new LinkBroker({
    place: { next: (meeting) => ({ path: `/at/${meeting}`, secret: `secret ${meeting}` }) },
    clock,
    fence: ({ id }, verdict) => fenced.push(`${id} ${verdict}`),
  })
  for (const id of [1, 2, 3]) join(id)
})

function join(id: number): void {
  const frames: DownFrame[] = []
  sent.set(id, frames)
  broker.joined(
    { id, incarnation: id },
    {
      send: (frame) => frames.push(frame),
      linkEnded: (peer, recent) => ended.push({ id, peer, recent }),
    },
  )
}

const meeting = (n: number, id: number) => ({
  meeting: n,
  with: { id, incarnation: id },
  path: `/at/${n}`,
  secret: `secret ${n}`,
})

test('brings two together: one listens, then the other dials', () => {
  broker.receive(1, { kind: 'link', incarnation: 2 })
  expect(sent.get(2)).toEqual([{ kind: 'meet', ...meeting(1, 1) }])
  expect(sent.get(1)).toEqual([])
  broker.receive(2, { kind: 'met', meeting: 1, listens: true })
  expect(sent.get(1)).toEqual([{ kind: 'dial', ...meeting(1, 2) }])
})

test('two that ask for each other at the same time have one link', () => {
  broker.receive(1, { kind: 'link', incarnation: 2 })
  broker.receive(2, { kind: 'link', incarnation: 1 })
  broker.receive(1, { kind: 'link', incarnation: 2 })
  expect(sent.get(1)).toEqual([])
  expect(sent.get(2)).toHaveLength(1)
})

test('have another one when that has ended', () => {
  broker.receive(1, { kind: 'link', incarnation: 2 })
  broker.receive(3, { kind: 'unlinked', meeting: 1 })
  broker.receive(2, { kind: 'link', incarnation: 1 })
  expect(sent.get(1)).toEqual([])
  broker.receive(1, { kind: 'unlinked', meeting: 1 })
  broker.receive(2, { kind: 'link', incarnation: 1 })
  expect(sent.get(1)).toEqual([{ kind: 'meet', ...meeting(2, 2) }])
})

test('says no where one cannot listen, is not there, is the same, or is about to be removed', () => {
  broker.receive(1, { kind: 'link', incarnation: 2 })
  broker.receive(2, { kind: 'met', meeting: 1, listens: false })
  broker.receive(1, { kind: 'link', incarnation: 9 })
  broker.receive(1, { kind: 'link', incarnation: 1 })
  broker.close(3)
  broker.receive(1, { kind: 'link', incarnation: 3 })
  expect(sent.get(1)).toEqual([2, 9, 1, 3].map((incarnation) => ({ kind: 'undialled', incarnation })))
})

test('says no to whoever waits for one that has died', async () => {
  broker.receive(1, { kind: 'link', incarnation: 2 })
  await broker.gone(2)
  expect(sent.get(1)).toEqual([{ kind: 'undialled', incarnation: 2 }])
})

test('believes only the one that was asked about whether it listens', () => {
  broker.receive(1, { kind: 'link', incarnation: 2 })
  broker.receive(3, { kind: 'met', meeting: 1, listens: true })
  expect(sent.get(1)).toEqual([])
})

test('has the one ended that has written what nobody may', () => {
  broker.receive(1, { kind: 'link', incarnation: 2 })
  broker.receive(1, { kind: 'unlinked', meeting: 1, corrupt: 'wrote a batch that is no list' })
  expect(fenced).toEqual(['2 wrote a batch that is no list with worker 1'])
})

const recent: readonly FrameRecord[] = [[1, true, 'invoke', -5, 'charge']]
const fromOtherEnd: readonly FrameRecord[] = [[1, false, 'invoke', -5, 'charge']]

/** Worker 1 has dialled, and 2 listened. */
function meet(): void {
  broker.receive(1, { kind: 'link', incarnation: 2 })
  broker.receive(2, { kind: 'met', meeting: 1, listens: true })
}

/** Says when it is over. */
function goes(incarnation: number): { isOver: boolean } {
  const going = { isOver: false }
  void broker.gone(incarnation).then(() => {
    going.isOver = true
  })
  return going
}

test('what has passed on a link that ended is known of both, once', () => {
  meet()
  broker.receive(3, { kind: 'unlinked', meeting: 1, recent })
  broker.receive(2, { kind: 'unlinked', meeting: 1, recent })
  broker.receive(1, { kind: 'unlinked', meeting: 1, recent })
  expect(ended).toEqual([
    { id: 2, peer: 1, recent },
    { id: 1, peer: 2, recent: fromOtherEnd },
  ])
})

test('a death waits for those who can tell of it', async () => {
  meet()
  const going = goes(2)
  await clock.advance(40)
  expect(going.isOver).toBe(false)
  broker.receive(1, { kind: 'unlinked', meeting: 1, recent })
  await allMicrotasks()
  expect(going.isOver).toBe(true)
  expect(ended).toContainEqual({ id: 2, peer: 1, recent: fromOtherEnd })
})

test('a death waits not long for one that says nothing, nor for one that is dead too', async () => {
  meet()
  const silent = goes(2)
  await clock.advance(50)
  expect(silent.isOver).toBe(true)
  broker.receive(1, { kind: 'unlinked', meeting: 1, recent })
  expect(ended).toEqual([])

  join(4)
  broker.receive(1, { kind: 'link', incarnation: 4 })
  broker.receive(4, { kind: 'met', meeting: 2, listens: true })
  const [first, second] = [goes(4), goes(1)]
  await allMicrotasks()
  expect([first.isOver, second.isOver]).toEqual([true, true])
})

test('a death takes what is there to be read when its time is over', async () => {
  meet()
  const nextTurn = clock.nextTurn.bind(clock)
  clock.nextTurn = (run) => {
    broker.receive(1, { kind: 'unlinked', meeting: 1, recent })
    nextTurn(run)
  }
  const going = goes(2)
  await clock.advance(51)
  expect(going.isOver).toBe(true)
  expect(ended).toContainEqual({ id: 2, peer: 1, recent: fromOtherEnd })
})

test('who finds the other corrupt tells afterwards what has passed', async () => {
  meet()
  broker.receive(1, { kind: 'unlinked', meeting: 1, corrupt: 'wrote a batch that is no list' })
  broker.receive(1, { kind: 'unlinked', meeting: 1, recent })
  expect(ended).toContainEqual({ id: 2, peer: 1, recent: fromOtherEnd })
})

test('those that part are waited for, but not when they have died', async () => {
  let parted = false
  broker.close()
  expect(sent.get(1)).toEqual([{ kind: 'part' }])
  void broker.parted().then(() => {
    parted = true
  })
  broker.receive(1, { kind: 'parted' })
  broker.receive(2, { kind: 'parted' })
  await allMicrotasks()
  expect(parted).toBe(false)
  await broker.gone(3)
  await allMicrotasks()
  expect(parted).toBe(true)
})
