import { describe, expect, it } from 'vitest'
import type { JoinRequest } from '../../examples/chat/contract.js'
import { LIMITS } from '../../examples/chat/limits.js'
import { Rooms } from '../../examples/chat/rooms.js'

const WORKER_1 = { id: 1, incarnation: 1 }
const WORKER_2 = { id: 2, incarnation: 2 }

function createRooms(permanent = ['lobby']) {
  const clock = { now: 1_000 }
  let ids = 0
  const rooms = new Rooms({
    now: () => clock.now,
    createId: () => `log-${++ids}`,
    personOf: (client) => `person-of-${client}`,
    permanent,
  })
  return { rooms, clock }
}

const ada: JoinRequest = { connection: 1, client: 'client-ada', name: 'Ada', room: 'lobby' }
const bo: JoinRequest = { connection: 1, client: 'client-bo', name: 'Bo', room: 'lobby' }

function joined(result: ReturnType<Rooms['join']>) {
  if (!result.answer.ok) throw new Error(result.answer.refusal.reason)
  return result.answer.value
}

describe('presence', () => {
  it('is one list for the people of all workers', () => {
    const { rooms } = createRooms()
    expect(rooms.join(WORKER_1, ada).changed).toEqual(['lobby'])
    rooms.join(WORKER_2, bo)
    expect(rooms.people('lobby').map(({ name }) => name)).toEqual(['Ada', 'Bo'])
  })

  it('shows a person once while the old connection is not yet gone and the new one is here', () => {
    const { rooms } = createRooms()
    rooms.join(WORKER_1, ada)
    rooms.join(WORKER_2, ada)
    expect(rooms.people('lobby')).toHaveLength(1)
    rooms.leave(WORKER_1, 1)
    expect(rooms.people('lobby')).toHaveLength(1)
  })

  it('forgets everyone who was connected to a dead worker, and nobody else', () => {
    const { rooms } = createRooms(['lobby', 'garden'])
    rooms.join(WORKER_1, ada)
    rooms.join(WORKER_1, { ...bo, connection: 2, room: 'garden' })
    rooms.join(WORKER_2, bo)
    expect(rooms.leaveAll(WORKER_1.incarnation)).toEqual(['lobby', 'garden'])
    expect(rooms.people('lobby').map(({ name }) => name)).toEqual(['Bo'])
    expect(rooms.people('garden')).toEqual([])
  })

  it('moves with a person from room to room, and tells both', () => {
    const { rooms } = createRooms(['lobby', 'garden'])
    rooms.join(WORKER_1, ada)
    expect(rooms.join(WORKER_1, { ...ada, room: 'garden' }).changed).toEqual(['lobby', 'garden'])
    expect(rooms.people('lobby')).toEqual([])
  })

  it('does not show the secret client id', () => {
    const { rooms } = createRooms()
    rooms.join(WORKER_1, ada)
    expect(JSON.stringify(rooms.people('lobby'))).not.toContain('"client-ada"')
  })

  it('refuses a name that somebody else in the room has', () => {
    const { rooms } = createRooms()
    rooms.join(WORKER_1, ada)
    const { answer, changed } = rooms.join(WORKER_2, { ...bo, name: 'ADA' })
    expect(answer).toMatchObject({ ok: false, refusal: { code: 'name-taken' } })
    expect(changed).toEqual([])
  })

  it('follows a change of name', () => {
    const { rooms } = createRooms()
    rooms.join(WORKER_1, ada)
    expect(rooms.join(WORKER_1, { ...ada, name: 'Countess' }).changed).toEqual(['lobby'])
    expect(rooms.people('lobby')).toMatchObject([{ name: 'Countess' }])
  })

  it('has a limit', () => {
    const { rooms } = createRooms()
    for (let n = 1; n <= LIMITS.roomMembers; n += 1) {
      joined(rooms.join(WORKER_1, { connection: n, client: `client-${n}`, name: `name ${n}`, room: 'lobby' }))
    }
    expect(rooms.join(WORKER_2, ada).answer).toMatchObject({ ok: false, refusal: { code: 'room-full' } })
  })
})

describe('messages', () => {
  it('are numbered by the primary, whoever posts them', () => {
    const { rooms } = createRooms()
    rooms.join(WORKER_1, ada)
    rooms.join(WORKER_2, bo)
    const posted = [
      rooms.post(WORKER_1, 1, 'lobby', 'nonce-1', 'one'),
      rooms.post(WORKER_2, 1, 'lobby', 'nonce-1', 'two'),
    ]
    expect(posted.map((answer) => answer.ok && answer.value.seq)).toEqual([1, 2])
  })

  it('are one message when they are sent twice, from whichever worker', () => {
    const { rooms } = createRooms()
    rooms.join(WORKER_1, ada)
    const first = rooms.post(WORKER_1, 1, 'lobby', 'nonce-1', 'hello')
    rooms.leaveAll(WORKER_1.incarnation)
    rooms.join(WORKER_2, ada)
    const again = rooms.post(WORKER_2, 1, 'lobby', 'nonce-1', 'hello')
    expect(first).toMatchObject({ value: { seq: 1, message: { text: 'hello' } } })
    expect(again).toEqual({ ok: true, value: { log: 'log-1', seq: 1 } })
  })

  it('are refused from a connection that is in no room', () => {
    const { rooms } = createRooms()
    expect(rooms.post(WORKER_1, 7, 'lobby', 'nonce-1', 'hello')).toMatchObject({ refusal: { code: 'not-in-room' } })
  })

  it('are never said in another room than the one they were meant for', () => {
    const { rooms } = createRooms(['lobby', 'garden'])
    rooms.join(WORKER_1, ada)
    rooms.join(WORKER_1, { ...ada, room: 'garden' })
    expect(rooms.post(WORKER_1, 1, 'lobby', 'nonce-1', 'hello')).toMatchObject({ refusal: { code: 'not-in-room' } })
  })

  it('remember their time', () => {
    const { rooms, clock } = createRooms()
    rooms.join(WORKER_1, ada)
    clock.now = 5_000
    expect(rooms.post(WORKER_1, 1, 'lobby', 'nonce-1', 'hello')).toMatchObject({
      value: { message: { at: 5_000, name: 'Ada' } },
    })
  })
})

describe('what was missed', () => {
  function roomWith(count: number) {
    const { rooms } = createRooms()
    const { log } = joined(rooms.join(WORKER_1, ada))
    for (let n = 1; n <= count; n += 1) rooms.post(WORKER_1, 1, 'lobby', `nonce-${n}`, `text ${n}`)
    const since = (seq: number, of = log) => joined(rooms.join(WORKER_2, { ...bo, since: { log: of, seq } }))
    return { rooms, since }
  }

  it('is what came after the position', () => {
    const { since } = roomWith(5)
    expect(since(3)).toMatchObject({ resumed: true, messages: [{ seq: 4 }, { seq: 5 }] })
    expect(since(5)).toMatchObject({ resumed: true, messages: [] })
  })

  it('is the recent history for a newcomer', () => {
    const { rooms } = roomWith(5)
    const { messages, resumed, truncated } = joined(rooms.join(WORKER_2, bo))
    expect({ count: messages.length, resumed, truncated }).toEqual({ count: 5, resumed: false, truncated: false })
  })

  it('says so when it cannot be continued without a hole', () => {
    const { since } = roomWith(LIMITS.roomHistory + 10)
    expect(since(9)).toMatchObject({ resumed: false, truncated: true })
    expect(since(10).resumed).toBe(true)
    expect(since(10).messages).toHaveLength(LIMITS.roomHistory)
  })

  it('is bounded by its size too, so that it can be sent in one piece', () => {
    const { rooms } = createRooms()
    rooms.join(WORKER_1, ada)
    for (let n = 1; n <= 100; n += 1) rooms.post(WORKER_1, 1, 'lobby', `nonce-${n}`, 'x'.repeat(2_000))
    const { messages, truncated } = joined(rooms.join(WORKER_2, bo))
    expect(messages).toHaveLength(LIMITS.roomHistoryCharacters / 2_000)
    expect(messages.at(-1)?.seq).toBe(100)
    expect(truncated).toBe(true)
  })

  it('starts over for a position in another log, or in the future', () => {
    const { since } = roomWith(5)
    expect(since(3, 'log-of-yesterday').resumed).toBe(false)
    expect(since(99).resumed).toBe(false)
  })
})

describe('the number of rooms', () => {
  it('is limited: the empty room that was silent longest makes place', () => {
    const { rooms, clock } = createRooms()
    for (let n = 1; n < LIMITS.rooms; n += 1) {
      clock.now += 1
      joined(rooms.join(WORKER_1, { ...ada, room: `room-${n}` }))
      rooms.post(WORKER_1, 1, `room-${n}`, `nonce-${n}`, 'a word, so that the room is kept')
    }
    clock.now += 1
    joined(rooms.join(WORKER_1, { ...ada, room: 'one-more' }))
    const names = rooms.directory().map(({ room }) => room)
    expect(names).toHaveLength(LIMITS.rooms)
    expect(names).toContain('lobby')
    expect(names).not.toContain('room-1')
  })

  it('is limited even when all are in use', () => {
    const { rooms } = createRooms()
    for (let n = 1; n < LIMITS.rooms; n += 1) {
      joined(rooms.join(WORKER_1, { ...ada, connection: n, client: `client-${n}`, room: `room-${n}` }))
    }
    expect(rooms.join(WORKER_2, { ...ada, room: 'one-more' }).answer).toMatchObject({
      refusal: { code: 'too-many-rooms' },
    })
  })

  it('does not grow by rooms in which nothing was said', () => {
    const { rooms } = createRooms()
    rooms.join(WORKER_1, { ...ada, room: 'looked-in' })
    rooms.leave(WORKER_1, 1)
    expect(rooms.directory()).toEqual([{ room: 'lobby', people: 0, last: 0 }])
  })
})

describe('where a person is reached', () => {
  it('is every connection of theirs, for those in the same room', () => {
    const { rooms } = createRooms(['lobby', 'garden'])
    rooms.join(WORKER_1, ada)
    const { you } = joined(rooms.join(WORKER_2, { ...bo, connection: 8 }))
    expect(rooms.locate(WORKER_1, 1, you.person)).toEqual([{ worker: 2, connection: 8 }])
    rooms.join(WORKER_1, { ...ada, room: 'garden' })
    expect(rooms.locate(WORKER_1, 1, you.person)).toEqual([])
  })
})
