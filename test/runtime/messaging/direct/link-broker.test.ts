import { beforeEach, expect, test } from 'vitest'
import type { DownFrame } from '../../../../src/protocol/frames.js'
import { LinkBroker } from '../../../../src/runtime/messaging/direct/link-broker.js'
import { allMicrotasks } from '../../../support/fake-clock.js'

let sent: Map<number, DownFrame[]>
let fenced: string[]
let broker: LinkBroker

beforeEach(() => {
  sent = new Map()
  fenced = []
  broker = new LinkBroker({
    place: { next: (meeting) => ({ path: `/at/${meeting}`, secret: `secret ${meeting}` }) },
    fence: ({ id }, verdict) => fenced.push(`${id} ${verdict}`),
  })
  for (const id of [1, 2, 3]) join(id)
})

function join(id: number): void {
  const frames: DownFrame[] = []
  sent.set(id, frames)
  broker.joined({ id, incarnation: id }, { send: (frame) => frames.push(frame) })
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

test('says no to whoever waits for one that has died', () => {
  broker.receive(1, { kind: 'link', incarnation: 2 })
  broker.gone(2)
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
  broker.gone(3)
  await allMicrotasks()
  expect(parted).toBe(true)
})
