import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { HandOffEvent } from '../../../src/runtime/connections/hand-off-steps.js'
import { rendezvous } from '../../../src/runtime/placement/rendezvous.js'
import { AWAY, listenerOf, ref, seat, setUpHandOffs } from '../../support/hand-off-fakes.js'

/** In turns, so that a test can say who is next. */
const TURNS = { policy: 'round-robin', accept: 'primary' } as const
const STICKY = { cookie: 'sid' } as const

/** A key whose connections belong to that worker, among those. */
function keyOf(worker: number, workers: readonly number[]): string {
  for (let tries = 0; ; tries++) if (rendezvous(String(tries), workers) === worker) return String(tries)
}

describe('a connection', () => {
  test('goes to a worker at once, with its handle and all that was read from it', () => {
    const { handOffs, sent, arrive } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1])
    handOffs.opened(ref(1))
    const peer = { address: '2001:db8::1', port: 9, family: 'IPv6' }
    const { id, connection } = arrive(listener, { head: 'GET / HTTP/1.1\r\n\xff', peer })
    expect(sent).toEqual([
      {
        to: 1,
        frame: {
          kind: 'connection',
          id: 1,
          connection: id,
          listener: listener.id,
          head: Buffer.from('GET / HTTP/1.1\r\n\xff', 'latin1').toString('base64'),
          peer,
        },
        handle: connection.handle,
      },
    ])
  })

  test('goes without what there is nothing of', () => {
    const { handOffs, sent, arrive } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1])
    handOffs.opened(ref(1))
    const { id } = arrive(listener, { head: '' })
    expect(sent[0]?.frame).toEqual({ kind: 'connection', id: 1, connection: id, listener: listener.id })
  })

  test('is kept until the worker has it, and let go of then', () => {
    const { handOffs, arrive } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1])
    handOffs.opened(ref(1))
    const { id, connection } = arrive(listener)
    expect(connection.ends).toEqual([])
    expect(handOffs).toMatchObject({ offered: 1, taken: 0 })
    handOffs.acknowledged(1, id)
    expect(connection.ends).toEqual([''])
    expect(handOffs).toMatchObject({ offered: 0, taken: 1, rerouted: 0 })
  })

  test('is let go of once, whatever a worker says of it later, or says of what it never had', () => {
    const { handOffs, arrive, news } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1, 2])
    handOffs.opened(ref(1))
    const { id, connection } = arrive(listener)
    handOffs.acknowledged(2, id)
    handOffs.refused(2, id, 'full')
    handOffs.acknowledged(1, 99)
    expect(connection.ends).toEqual([])
    handOffs.acknowledged(1, id)
    handOffs.acknowledged(1, id)
    handOffs.refused(1, id, 'lost')
    handOffs.gone(ref(1))
    expect(connection.ends).toEqual([''])
    expect(handOffs).toMatchObject({ offered: 0, waiting: 0, taken: 1, rerouted: 0, lost: 0 })
    expect(news()).toEqual(['1 -> 1'])
  })

  test('goes to workers that are open and listen there, and to no other', () => {
    const { handOffs, arrive, news } = setUpHandOffs()
    const [listener, elsewhere] = [listenerOf(TURNS, [2, 3]), listenerOf(TURNS, [1])]
    for (const id of [1, 2, 3]) handOffs.opened(ref(id))
    handOffs.closed(ref(3))
    arrive(listener)
    arrive(listener)
    arrive(elsewhere)
    expect(news()).toEqual(['1 -> 2', '2 -> 2', '3 -> 1'])
  })

  test('counts for its worker from the moment it is sent', () => {
    const { handOffs, arrive, news } = setUpHandOffs()
    const listener = listenerOf({ policy: 'least-connections', accept: 'primary' }, [1, 2])
    listener.seats.get(2)!.live = 1
    handOffs.opened(ref(1))
    handOffs.opened(ref(2))
    const { id } = arrive(listener)
    arrive(listener)
    expect(news()).toEqual(['1 -> 1', '2 -> 2'])
    handOffs.acknowledged(1, id)
    expect(listener.seats.get(1)).toMatchObject({ live: 1, offered: 0 })
    expect(listener.seats.get(2)).toMatchObject({ live: 1, offered: 1 })
  })
})

describe('a worker', () => {
  test('has no more than `limits.handoffs` unacknowledged; the others take what comes', () => {
    const { handOffs, arrive, news } = setUpHandOffs({ handoffs: 2 })
    const listener = listenerOf(TURNS, [1, 2])
    handOffs.opened(ref(1))
    handOffs.opened(ref(2))
    for (let count = 0; count < 3; count++) arrive(listener)
    handOffs.acknowledged(2, 2)
    arrive(listener)
    arrive(listener)
    expect(news()).toEqual(['1 -> 1', '2 -> 2', '3 -> 1', '4 -> 2', '5 -> 2'])
    arrive(listener)
    expect(news()).toEqual([])
    expect(handOffs).toMatchObject({ offered: 4, waiting: 1 })
  })

  test('gets what waits when it has room again, oldest first', () => {
    const { handOffs, arrive, news } = setUpHandOffs({ handoffs: 1 })
    const listener = listenerOf(TURNS, [1])
    handOffs.opened(ref(1))
    for (let count = 0; count < 3; count++) arrive(listener)
    expect(news()).toEqual(['1 -> 1'])
    handOffs.acknowledged(1, 1)
    expect(news()).toEqual(['2 -> 1'])
    handOffs.acknowledged(1, 2)
    expect(news()).toEqual(['3 -> 1'])
    expect(handOffs.waiting).toBe(0)
  })

  test('gets what waits when it opens, on whatever it listens, and up to the limit', () => {
    const { handOffs, arrive, news } = setUpHandOffs({ handoffs: 3 })
    const [first, second, other] = [listenerOf(TURNS, [1]), listenerOf(STICKY, [1]), listenerOf(TURNS)]
    for (const listener of [first, second, other, first, second]) arrive(listener)
    expect(news()).toEqual([])
    handOffs.opened(ref(1))
    expect(news()).toEqual(['1 -> 1', '4 -> 1', '2 -> 1'])
    handOffs.acknowledged(1, 1)
    expect(news()).toEqual(['5 -> 1'])
    expect(handOffs.waiting).toBe(1)
  })

  test('gets what waits when it listens', () => {
    const { handOffs, arrive, news } = setUpHandOffs()
    const listener = listenerOf(TURNS)
    handOffs.opened(ref(1))
    arrive(listener)
    seat(listener, 1)
    handOffs.seatsChanged(listener)
    expect(news()).toEqual(['1 -> 1'])
  })

  test('that dies loses nothing: what it had not acknowledged goes to others, whole', () => {
    const { handOffs, sent, arrive, news } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1, 2])
    handOffs.opened(ref(1))
    const { connection } = arrive(listener, { head: 'bytes', peer: { address: '::1', port: 1, family: 'IPv6' } })
    handOffs.opened(ref(2))
    listener.seats.delete(1)
    handOffs.gone(ref(1))
    expect(news()).toEqual(['1 -> 1', '1 -> 2'])
    expect(sent[1]).toEqual({ ...sent[0], to: 2, frame: { ...sent[0]?.frame, id: 2 } })
    expect(connection.ends).toEqual([])
    expect(handOffs.rerouted).toBe(1)
    handOffs.acknowledged(2, 1)
    expect(connection.ends).toEqual([''])
  })

  test('that dies leaves its connections waiting when it was the last', () => {
    const { handOffs, arrive, news } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1])
    handOffs.opened(ref(1))
    arrive(listener)
    arrive(listener)
    listener.seats.delete(1)
    handOffs.gone(ref(1))
    news()
    expect(handOffs).toMatchObject({ offered: 0, waiting: 2 })
    seat(listener, 1, 2)
    handOffs.opened(ref(1, 2))
    expect(news()).toEqual(['1 -> 2', '2 -> 2'])
  })

  test('that closes keeps what is on its way to it, and gets no more', () => {
    const { handOffs, arrive, news } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1, 2])
    handOffs.opened(ref(1))
    const { id, connection } = arrive(listener)
    handOffs.closed(ref(1))
    arrive(listener)
    expect(news()).toEqual(['1 -> 1'])
    handOffs.opened(ref(2))
    expect(news()).toEqual(['2 -> 2'])
    handOffs.acknowledged(1, id)
    expect(connection.ends).toEqual([''])
    handOffs.closed(ref(9))
    handOffs.gone(ref(9))
  })

  test.each(['full', 'closed', 'lost'] as const)('that refuses (%s) is left alone until it has room', (reason) => {
    const { handOffs, arrive, news } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1, 2])
    handOffs.opened(ref(1))
    handOffs.opened(ref(2))
    const { id, connection } = arrive(listener)
    handOffs.refused(1, id, reason)
    arrive(listener)
    expect(news()).toEqual(['1 -> 1', '1 -> 2', '2 -> 2'])
    expect(connection.ends).toEqual([])
    expect(handOffs).toMatchObject({ rerouted: 1, lost: reason === 'lost' ? 1 : 0 })
    handOffs.acknowledged(2, 1)
    handOffs.acknowledged(2, 2)
    listener.seats.get(1)!.full = false
    handOffs.seatsChanged(listener)
    arrive(listener)
    arrive(listener)
    expect(news()).toEqual(['3 -> 1', '4 -> 2'])
  })

  test('that answers an offer again says nothing of the next one', () => {
    const { handOffs, arrive, news } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1])
    handOffs.opened(ref(1))
    const { id, connection } = arrive(listener)
    handOffs.refused(1, id, 'full')
    listener.seats.get(1)!.full = false
    handOffs.seatsChanged(listener)
    expect(news()).toEqual(['1 -> 1', '1 -> 1'])
    handOffs.refusedOffer(1, 1, 'lost')
    expect(handOffs).toMatchObject({ offered: 1, waiting: 0, lost: 0, rerouted: 1 })
    handOffs.acknowledged(1, id)
    expect(connection.ends).toEqual([''])
  })

  test('that refuses as the last lets the connection wait', () => {
    const { handOffs, arrive, news } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1])
    handOffs.opened(ref(1))
    const { id } = arrive(listener)
    handOffs.refused(1, id, 'full')
    expect(handOffs).toMatchObject({ offered: 0, waiting: 1 })
    news()
    listener.seats.get(1)!.full = false
    handOffs.seatsChanged(listener)
    expect(news()).toEqual(['1 -> 1'])
  })

  test('knows which connections it has not acknowledged', () => {
    const { handOffs, arrive } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1])
    handOffs.opened(ref(1))
    for (let count = 0; count < 3; count++) arrive(listener)
    handOffs.acknowledged(1, 2)
    expect(handOffs.awaited(1)).toEqual([1, 3])
    expect(handOffs.awaited(2)).toEqual([])
  })
})

describe('a connection that belongs to one worker', () => {
  /** Worker 1 has as many as it may have; connections 3 and 4 wait for it. */
  function setUpQueue() {
    const cluster = setUpHandOffs({ handoffs: 2, connections: 3 })
    const listener = listenerOf(STICKY, [1, 2])
    cluster.handOffs.opened(ref(1))
    cluster.handOffs.opened(ref(2))
    const key = keyOf(1, [1, 2])
    const connections = [1, 2, 3, 4].map(() => cluster.arrive(listener, { key }).connection)
    expect(cluster.news()).toEqual(['1 -> 1', '2 -> 1'])
    expect(cluster.handOffs).toMatchObject({ offered: 2, waiting: 2 })
    return { ...cluster, listener, connections, key }
  }

  test('waits for it, though another is free', () => {
    const { handOffs, news } = setUpQueue()
    handOffs.acknowledged(1, 1)
    expect(news()).toEqual(['3 -> 1'])
    handOffs.acknowledged(1, 2)
    expect(news()).toEqual(['4 -> 1'])
    expect(handOffs.waiting).toBe(0)
  })

  test('holds back nobody who belongs elsewhere', () => {
    const { listener, arrive, news } = setUpQueue()
    arrive(listener, { key: keyOf(2, [1, 2]) })
    expect(news()).toEqual(['5 -> 2'])
  })

  test('counts among those that wait', () => {
    const { listener, arrive, key } = setUpQueue()
    expect(arrive(listener, { key }).connection.ends).toEqual([])
    expect(arrive(listener, { key }).connection.ends).toEqual([AWAY])
  })

  test('belongs to another when that one dies', () => {
    const { handOffs, listener, news } = setUpQueue()
    listener.seats.delete(1)
    handOffs.gone(ref(1))
    expect(news()).toEqual(['1 -> 2', '2 -> 2'])
    expect(handOffs).toMatchObject({ offered: 2, waiting: 2 })
    handOffs.acknowledged(2, 1)
    handOffs.acknowledged(2, 2)
    expect(news()).toEqual(['3 -> 2', '4 -> 2'])
    expect(handOffs.waiting).toBe(0)
  })

  test('belongs to another when that one closes', () => {
    const { handOffs, news } = setUpQueue()
    handOffs.closed(ref(1))
    expect(news()).toEqual(['3 -> 2', '4 -> 2'])
    expect(handOffs).toMatchObject({ offered: 4, waiting: 0 })
  })

  test('belongs to another when that one listens there no more', () => {
    const { handOffs, listener, news } = setUpQueue()
    listener.seats.delete(1)
    handOffs.seatsChanged(listener)
    expect(news()).toEqual(['3 -> 2', '4 -> 2'])
    expect(handOffs.waiting).toBe(0)
  })

  test('waits while that one is full, and goes to no other', () => {
    const { handOffs, listener, news } = setUpQueue()
    handOffs.refused(1, 1, 'full')
    expect(news()).toEqual([])
    expect(handOffs).toMatchObject({ offered: 1, waiting: 3 })
    for (const seat of listener.seats.values()) seat.full = false
    handOffs.seatsChanged(listener)
    expect(news()).toHaveLength(1)
    expect(handOffs).toMatchObject({ offered: 2, waiting: 2 })
  })

  test('is turned away when nobody listens there any more', () => {
    const { handOffs, listener, connections } = setUpQueue()
    handOffs.abandon(listener)
    expect(connections.map(({ ends }) => ends)).toEqual([[], [], [AWAY], [AWAY]])
    expect(handOffs).toMatchObject({ offered: 2, waiting: 0 })
  })

  test('is turned away when the cluster ends', () => {
    const { handOffs, connections } = setUpQueue()
    handOffs.end()
    expect(connections.map(({ ends }) => ends)).toEqual([[], [], [AWAY], [AWAY]])
    expect(handOffs.waiting).toBe(0)
  })
})

describe('the waiting room', () => {
  test('holds `limits.connections`, and turns away what is over it', () => {
    const { handOffs, arrive } = setUpHandOffs({ connections: 2 })
    const [one, other] = [listenerOf(TURNS), listenerOf(STICKY)]
    const connections = [one, other, one, other].map((listener) => arrive(listener).connection)
    expect(connections.map(({ ends }) => ends)).toEqual([[], [], [AWAY], [AWAY]])
    expect(handOffs.waiting).toBe(2)
  })

  test('lets nobody wait longer than `timeouts.waiting`', async () => {
    const { handOffs, clock, arrive } = setUpHandOffs({}, { waiting: 1_000 })
    const listener = listenerOf(TURNS)
    const { connection: early } = arrive(listener)
    await clock.advance(600)
    const { connection: late } = arrive(listener)
    await clock.advance(400)
    expect(early.ends).toEqual([])
    await clock.advance(250)
    expect([early.ends, late.ends, handOffs.waiting]).toEqual([[AWAY], [], 1])
    await clock.advance(600)
    expect([early.ends, late.ends, handOffs.waiting]).toEqual([[AWAY], [AWAY], 0])
  })

  test('lets nobody wait longer for one worker either', async () => {
    const { handOffs, clock, arrive } = setUpHandOffs({ handoffs: 1 }, { waiting: 1_000 })
    const listener = listenerOf(STICKY, [1])
    handOffs.opened(ref(1))
    arrive(listener, { key: 'key' })
    const { connection } = arrive(listener, { key: 'key' })
    await clock.advance(1_250)
    expect([connection.ends, handOffs.waiting, handOffs.offered]).toEqual([[AWAY], 0, 1])
    handOffs.acknowledged(1, 1)
    expect(connection.ends).toEqual([AWAY])
  })

  test('gives those that came back from a dead worker the whole time', async () => {
    const { handOffs, clock, arrive } = setUpHandOffs({}, { waiting: 1_000 })
    const listener = listenerOf(TURNS, [1])
    handOffs.opened(ref(1))
    const { connection: early } = arrive(listener)
    await clock.advance(600)
    const { connection: late } = arrive(listener)
    handOffs.gone(ref(1))
    await clock.advance(900)
    expect([early.ends, late.ends, handOffs.waiting]).toEqual([[], [], 2])
    await clock.advance(350)
    expect([early.ends, late.ends, handOffs.waiting]).toEqual([[AWAY], [AWAY], 0])
  })

  test('sets no timer while there is nothing to wait for', async () => {
    const { handOffs, clock, arrive } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1])
    arrive(listener)
    handOffs.opened(ref(1))
    handOffs.acknowledged(1, 1)
    await clock.advance(250)
    expect(clock.armed).toBe(0)
  })

  test('is emptied when nobody listens any more, and when the cluster ends', () => {
    const { handOffs, arrive } = setUpHandOffs()
    const [one, other] = [listenerOf(TURNS), listenerOf(TURNS)]
    const connections = [one, other, one].map((listener) => arrive(listener).connection)
    handOffs.abandon(one)
    handOffs.abandon(one)
    expect(connections.map(({ ends }) => ends)).toEqual([[AWAY], [], [AWAY]])
    handOffs.end()
    expect(connections.map(({ ends }) => ends)).toEqual([[AWAY], [AWAY], [AWAY]])
    expect(handOffs.waiting).toBe(0)
  })

  test('takes nobody in where nobody listens any more; what is on its way is taken, or turned away', () => {
    const { handOffs, arrive } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1])
    handOffs.opened(ref(1))
    const [taken, refused, orphan] = [arrive(listener), arrive(listener), arrive(listener)]
    listener.seats.clear()
    handOffs.abandon(listener)
    handOffs.acknowledged(1, taken!.id)
    handOffs.refused(1, refused!.id, 'closed')
    handOffs.gone(ref(1))
    expect([taken, refused, orphan].map((one) => one!.connection.ends)).toEqual([[''], [AWAY], [AWAY]])
    expect(handOffs.waiting).toBe(0)
  })

  test('takes nobody in when the cluster has ended; what is on its way is taken, or turned away', () => {
    const { handOffs, arrive } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1])
    handOffs.opened(ref(1))
    const [taken, refused, orphan] = [arrive(listener), arrive(listener), arrive(listener)]
    handOffs.end()
    const late = arrive(listener)
    expect(late.connection.ends).toEqual([AWAY])
    handOffs.acknowledged(1, taken!.id)
    handOffs.refused(1, refused!.id, 'closed')
    handOffs.gone(ref(1))
    expect([taken, refused, orphan].map((one) => one!.connection.ends)).toEqual([[''], [AWAY], [AWAY]])
  })
})

describe('a worker that does not take what it is given', () => {
  test('is fenced after `timeouts.handoff`, once, and its connections move when it is dead, not before', async () => {
    const { handOffs, clock, fenced, arrive, news } = setUpHandOffs({ handoffs: 2 }, { handoff: 1_000 })
    const listener = listenerOf(STICKY, [1, 2])
    handOffs.opened(ref(1))
    handOffs.opened(ref(2))
    const key = keyOf(1, [1, 2])
    for (let count = 0; count < 3; count++) arrive(listener, { key })
    await clock.advance(1_000)
    expect(fenced).toEqual([])
    await clock.advance(250)
    expect(fenced).toEqual([ref(1)])
    // What was never sent to it need not wait for its end.
    expect(news()).toEqual(['1 -> 1', '2 -> 1', '3 -> 2'])
    handOffs.acknowledged(2, 3)
    await clock.advance(10_000)
    expect(fenced).toEqual([ref(1)])
    expect(news()).toEqual([])
    listener.seats.delete(1)
    handOffs.gone(ref(1))
    expect(news()).toEqual(['1 -> 2', '2 -> 2'])
  })

  test('is fenced for the oldest of them, though others came later', async () => {
    const { handOffs, clock, fenced, arrive } = setUpHandOffs({}, { handoff: 1_000 })
    const listener = listenerOf(TURNS, [1])
    handOffs.opened(ref(1))
    arrive(listener)
    await clock.advance(900)
    arrive(listener)
    await clock.advance(350)
    expect(fenced).toEqual([ref(1)])
  })

  test('is not fenced as long as it takes one after the other', async () => {
    const { handOffs, clock, fenced, arrive } = setUpHandOffs({}, { handoff: 1_000 })
    const listener = listenerOf(TURNS, [1])
    handOffs.opened(ref(1))
    let last = arrive(listener)
    for (let count = 0; count < 10; count++) {
      await clock.advance(900)
      const next = arrive(listener)
      handOffs.acknowledged(1, last.id)
      last = next
    }
    expect(fenced).toEqual([])
  })
})

describe('a policy function that gives nobody', () => {
  test.each([
    ['throws', () => expect.fail('not today'), 'not today'],
    ['gives no id', () => undefined as never, 'there is no ready worker undefined'],
    ['gives an id that is not there', () => 7, 'there is no ready worker 7'],
  ])('%s: the least busy worker gets it, and that is said once', (_, pick, why) => {
    const { handOffs, logger, arrive, news } = setUpHandOffs()
    const listener = listenerOf(pick, [1, 2])
    listener.seats.get(1)!.live = 9
    handOffs.opened(ref(1))
    handOffs.opened(ref(2))
    arrive(listener)
    arrive(listener)
    expect(news()).toEqual(['1 -> 2', '2 -> 2'])
    expect(logger.lines).toHaveLength(1)
    expect(logger.lines[0]).toMatch(
      /^warning: the balance function of 80 gave no worker, so the least busy one was taken: /,
    )
    expect(logger.lines[0]).toContain(why)
  })
})

describe("node's diagnostics channel 'troupe.handoff'", () => {
  test('tells each step of a connection', () => {
    const steps: string[] = []
    const listen = (event: unknown): void => {
      const { step, id, to } = event as HandOffEvent
      steps.push(`${id} ${step}${to === undefined ? '' : ` ${to}`}`)
    }
    subscribe('troupe.handoff', listen)
    onTestFinished(() => void unsubscribe('troupe.handoff', listen))
    const { handOffs, arrive } = setUpHandOffs()
    const listener = listenerOf(TURNS, [1, 2])
    handOffs.opened(ref(1))
    arrive(listener)
    handOffs.opened(ref(2))
    handOffs.gone(ref(1))
    handOffs.acknowledged(2, 1)
    expect(steps).toEqual(['1 accepted', '1 offered 1', '1 rerouted 1', '1 offered 2', '1 taken 2'])
  })
})
