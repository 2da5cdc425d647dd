import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import type { MemberRecord } from '../../../src/protocol/frames.js'
import { Members } from '../../../src/runtime/messaging/members.js'

const record = (id: number, incarnation: number, fields: Partial<MemberRecord> = {}): MemberRecord => ({
  id,
  incarnation,
  pid: 100 + incarnation,
  state: 'ready',
  current: true,
  calls: 0,
  connections: 0,
  methods: {},
  ...fields,
})

function open(counts?: ConstructorParameters<typeof Members>[0]) {
  const members = new Members(counts)
  const tell = (member: MemberRecord, { gone = false, removed = false } = {}): void =>
    members.apply({ member, gone, removed })
  const ids = (): string => [...members.workers].map(([id, { incarnation }]) => `${id}/${incarnation}`).join(' ')
  const processes = (): string => [...members.processes.keys()].join(' ')
  return { members, tell, ids, processes }
}

test('lists who is there, by id and by incarnation', () => {
  const { tell, ids, processes } = open()
  tell(record(1, 4))
  tell(record(2, 5))
  expect(ids()).toBe('1/4 2/5')
  expect(processes()).toBe('4 5')
})

test('an id means its current process; a draining one is still listed among the processes', () => {
  const { tell, ids, processes, members } = open()
  tell(record(1, 4))
  tell(record(1, 6))
  tell(record(1, 4, { current: false, state: 'draining' }))
  expect(ids()).toBe('1/6')
  expect(processes()).toBe('4 6')
  expect(members.processes.get(4)?.state).toBe('draining')
  tell(record(1, 4, { current: false, state: 'draining' }), { gone: true })
  expect(processes()).toBe('6')
  expect(ids()).toBe('1/6')
})

test('a replacement that is not ready is listed, and the id still means the old one', () => {
  const { tell, ids, processes } = open()
  tell(record(1, 4))
  tell(record(1, 6, { current: false, state: 'starting' }))
  expect(ids()).toBe('1/4')
  expect(processes()).toBe('4 6')
})

test('a slot whose process is gone keeps its id, with the process that filled it last', () => {
  const { tell, ids, processes, members } = open()
  tell(record(1, 4))
  tell(record(1, 4, { state: 'failed' }), { gone: true })
  expect(ids()).toBe('1/4')
  expect(members.workers.get(1)?.state).toBe('failed')
  expect(processes()).toBe('')
})

test('a slot that is removed is listed no more', () => {
  const { tell, ids } = open()
  tell(record(1, 4))
  tell(record(2, 5))
  tell(record(2, 5), { gone: true, removed: true })
  expect(ids()).toBe('1/4')
})

test('counts are read when somebody reads them, where they are known', () => {
  let calls = 3
  const { tell, members } = open({ calls: (incarnation) => calls + incarnation })
  tell(record(1, 4))
  const worker = members.workers.get(1)
  expect(worker?.calls).toBe(7)
  calls = 10
  expect(worker?.calls).toBe(14)
})

test('counts are what was told, where they are not', () => {
  const { tell, members } = open()
  tell(record(1, 4, { calls: 8, connections: 2 }))
  expect(members.workers.get(1)).toMatchObject({ calls: 8, connections: 2 })
})

test('prints, and turns into JSON, as the six fields of a worker', () => {
  const { tell, members } = open()
  tell(record(1, 4, { methods: { secret: {} } }))
  const six = { id: 1, incarnation: 4, pid: 104, state: 'ready', calls: 0, connections: 0 }
  expect(JSON.parse(JSON.stringify(members.workers.get(1)))).toEqual(six)
  expect(inspect(members.workers.get(1), { compact: true, breakLength: 200 })).toBe(
    inspect(six, { compact: true, breakLength: 200 }),
  )
})

test('a method is known from its worker, and of a worker that starts from the others', () => {
  const { tell, members } = open()
  tell(record(1, 4, { methods: { resize: { timeout: 5 } } }))
  tell(record(2, 5, { state: 'starting' }))
  expect(members.traits(1, 'resize')).toEqual({ timeout: 5 })
  expect(members.traits(2, 'resize')).toEqual({ timeout: 5 })
  expect(members.traits('any', 'resize')).toEqual({ timeout: 5 })
  expect(members.traits('any', 'toString')).toBeUndefined()
  expect(members.traits(1, 'other')).toBeUndefined()
})

test('what is listed is not for whoever reads it to change: the router goes by it', () => {
  const { members, tell } = open()
  tell(record(1, 4))
  const worker = members.workers.get(1) as { state: string }
  expect(() => {
    worker.state = 'mine'
  }).toThrow(TypeError)
  expect(members.workers.get(1)?.state).toBe('ready')
})
