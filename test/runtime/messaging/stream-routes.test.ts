import { beforeEach, describe, expect, test } from 'vitest'
import { fromRecord } from '../../../src/protocol/error-record.js'
import type { CreditFrame, FailureFrame, InvokeFrame, ItemsFrame, MemberRecord } from '../../../src/protocol/frames.js'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from '../../../src/runtime/limits.js'
import { Members } from '../../../src/runtime/messaging/members.js'
import { Router } from '../../../src/runtime/messaging/router.js'
import { FakeClock } from '../../support/fake-clock.js'
import { FakeLink } from '../../support/fake-link.js'
import { FakeLogger } from '../../support/fake-logger.js'

const ENDED = { pid: 1, exitCode: null, signal: 'SIGKILL' }

/** A router with three workers, worker n as incarnation n0, and a stream that worker 1 reads from worker 2. */
function open(fields: Partial<MemberRecord> = {}) {
  const members = new Members({ calls: (incarnation) => router.calls(incarnation) })
  const router: Router = new Router({
    members,
    limits: { ...DEFAULT_LIMITS, stream: 4, streamBytes: 100 },
    timeouts: DEFAULT_TIMEOUTS,
    clock: new FakeClock(),
    overflow: () => {},
    logger: new FakeLogger(),
  })
  const links = new Map<number, FakeLink>()
  const link = (incarnation: number): FakeLink => links.get(incarnation) as FakeLink
  const ready = (id: number, incarnation: number): void => {
    links.set(incarnation, new FakeLink())
    router.attach({ id, incarnation }, link(incarnation))
    const member = {
      id,
      incarnation,
      pid: 1,
      state: 'ready',
      current: true,
      calls: 0,
      connections: 0,
      methods: {},
    } as const
    members.apply({ member: { ...member, ...fields }, gone: false, removed: false })
    router.membersChanged()
  }
  for (const id of [1, 2, 3]) ready(id, id * 10)
  let lastId = 0
  const stream = (
    from = 10,
    room = { items: 64, bytes: 10_000 },
  ): { id: number; route: number; invoke: InvokeFrame } => {
    const id = ++lastId
    router.receive(from, { kind: 'call', id, to: 2, method: 'tail', payload: 'p', stream: room })
    const invoke = link(20)
      .take()
      .find((frame) => frame.kind === 'invoke') as InvokeFrame
    return { id, route: invoke.route as number, invoke }
  }
  const items = (from: number, route: number, first: number, ...texts: (string | null)[]): void =>
    router.receive(from, { kind: 'items', id: route, first, items: texts } satisfies ItemsFrame)
  const credit = (from: number, id: number, taken: number, bytes: number): void =>
    router.receive(from, { kind: 'credit', id, items: taken, bytes } satisfies CreditFrame)
  const unexpected = (): number => router.stats().unexpected
  const failureAt = (incarnation: number) => {
    const frame = link(incarnation)
      .take()
      .find((sent): sent is FailureFrame => sent.kind === 'failure')
    return frame && fromRecord(frame.error)
  }
  return { router, link, ready, stream, items, credit, unexpected, failureAt }
}

let r: ReturnType<typeof open>
beforeEach(() => {
  r = open()
})

describe('the router', () => {
  test('passes a stream on with as much room as the limits allow, and items and credit under either number', () => {
    const { id, route, invoke } = r.stream()
    expect(invoke).toMatchObject({ method: 'tail', stream: { items: 4, bytes: 100 } })
    expect(invoke.deadline).toBeUndefined()
    r.items(20, route, 0, 'a', null)
    expect(r.link(10).take()).toEqual([{ kind: 'items', id, first: 0, items: ['a', null] }])
    r.credit(10, id, 2, 1)
    expect(r.link(20).take()).toEqual([{ kind: 'credit', id: route, items: 2, bytes: 1 }])
    r.router.receive(20, { kind: 'result', id: route, payload: 'r' })
    expect(r.link(10).take()).toEqual([{ kind: 'result', id, payload: 'r' }])
    expect(r.unexpected()).toBe(0)
  })

  test('keeps less room when the reader wants less', () => {
    expect(r.stream(10, { items: 1, bytes: 10 }).invoke.stream).toEqual({ items: 1, bytes: 10 })
  })

  test('believes items only from the process that the stream leads to, and only once', () => {
    const { route } = r.stream()
    r.items(30, route, 0, 'forged')
    r.items(10, route, 0, 'forged')
    r.items(20, route + 1, 0, 'to nobody')
    expect(r.unexpected()).toBe(3)
    r.items(20, route, 0, 'a')
    r.items(20, route, 0, 'a')
    expect(r.unexpected()).toBe(4)
    expect(r.link(10).take()).toHaveLength(1)
  })

  test('believes credit only from the reader, and only for what was sent', () => {
    const { id, route } = r.stream()
    r.items(20, route, 0, 'a', 'b')
    r.credit(30, id, 1, 1)
    r.credit(20, id, 1, 1)
    r.credit(10, id, 3, 1)
    r.credit(10, id, 1, 3)
    expect(r.link(20).take()).toEqual([])
    r.credit(10, id, 2, 2)
    r.credit(10, id, 2, 2)
    expect(r.link(20).take()).toHaveLength(1)
    expect(r.unexpected()).toBe(5)
  })

  test('drops items of what is called and not read', () => {
    r.router.receive(10, { kind: 'call', id: 99, to: 2, method: 'm', payload: 'p', deadline: 5_000 })
    const { route } = r.link(20).take()[0] as InvokeFrame
    r.items(20, route as number, 0, 'a')
    r.credit(10, 99, 1, 1)
    expect(r.unexpected()).toBe(2)
    expect(r.link(10).take()).toEqual([])
  })

  test('drops items and credit that cross the end', () => {
    const { id, route } = r.stream()
    r.items(20, route, 0, 'a')
    r.router.receive(10, { kind: 'cancel', id })
    r.link(10).take()
    expect(r.link(20).take()).toEqual([{ kind: 'cancel', id: route }])
    r.items(20, route, 1, 'b')
    r.router.receive(20, { kind: 'result', id: route, payload: 'r' })
    r.credit(10, id, 1, 1)
    expect(r.link(10).take()).toEqual([])
    expect(r.link(20).take()).toEqual([])
    expect(r.unexpected()).toBe(3)
  })

  test.each([
    ['more items than there is room for', (route: number) => r.items(20, route, 0, 'a', 'b', 'c', 'd', 'e')],
    ['more bytes', (route: number) => r.items(20, route, 0, 'a'.repeat(100), 'b')],
    ['items with a hole before them', (route: number) => r.items(20, route, 1, 'b')],
  ])('ends a stream whose worker sends %s, on both sides', (_, send) => {
    const { route } = r.stream()
    send(route)
    expect(r.failureAt(10)).toMatchObject({ code: 'ERR_PAYLOAD', target: 2, method: 'tail', sent: 'yes' })
    expect(r.link(20).take()).toEqual([{ kind: 'cancel', id: route }])
    expect(r.router.calls(20)).toBe(0)
  })

  test('counts a stream as one call of its worker for as long as it runs', () => {
    const { route } = r.stream()
    r.items(20, route, 0, 'a')
    expect(r.router.calls(20)).toBe(1)
    expect(r.router.stats().streams).toBe(1)
    r.router.receive(20, { kind: 'result', id: route, payload: 'r' })
    expect(r.router.calls(20)).toBe(0)
    expect(r.router.stats().streams).toBe(0)
  })
})

describe('a death', () => {
  test('of the worker is told after its items, and certainly began', () => {
    const { route } = r.stream()
    r.items(20, route, 0, 'a')
    r.router.detach(20, ENDED)
    expect(r.link(10).sent.map(({ kind }) => kind)).toEqual(['items', 'failure'])
    expect(r.failureAt(10)).toMatchObject({ code: 'ERR_WORKER_GONE', signal: 'SIGKILL', sent: 'yes' })
  })

  test('of the worker before its first item leaves open whether it began', () => {
    r.stream()
    r.router.detach(20, ENDED)
    expect(r.failureAt(10)).toMatchObject({ code: 'ERR_WORKER_GONE', sent: 'maybe' })
  })

  test('of the reader ends the generator', () => {
    const { route } = r.stream()
    r.router.detach(10, ENDED)
    expect(r.link(20).take()).toEqual([{ kind: 'cancel', id: route }])
    r.items(20, route, 0, 'late')
    expect(r.unexpected()).toBe(1)
  })

  test('ends one whose reader has left unread twice what its link may hold, and no other', () => {
    const [over, other] = [r.stream(), r.stream()]
    r.link(10).held = 2 * DEFAULT_LIMITS.linkBytes - 1
    r.items(20, over.route, 0, 'a')
    r.link(10).held++
    r.items(20, over.route, 1, 'b')
    expect(r.link(10).take()).toEqual([
      { kind: 'items', id: over.id, first: 0, items: ['a'] },
      {
        kind: 'failure',
        id: over.id,
        error: expect.objectContaining({
          code: 'ERR_MAILBOX_FULL',
          details: expect.objectContaining({ queue: 'link', sent: 'yes' }),
        }),
      },
    ])
    expect(r.link(20).take()).toEqual([{ kind: 'cancel', id: over.route }])
    r.link(10).held = 0
    r.items(20, other.route, 0, 'c')
    expect(r.link(10).take()).toMatchObject([{ kind: 'items', id: other.id }])
    expect(r.unexpected()).toBe(0)
  })

  test('repeats an idempotent stream only where no item has come of it', () => {
    r = open({ methods: { tail: { idempotent: true, stream: true } } })
    const begun = r.stream()
    r.items(20, begun.route, 0, 'a')
    const fresh = r.stream()
    r.router.detach(20, ENDED)
    expect(r.failureAt(10)).toMatchObject({ code: 'ERR_WORKER_GONE', sent: 'yes' })
    r.ready(2, 21)
    const again = r.link(21).take()
    expect(again).toMatchObject([{ kind: 'invoke', method: 'tail', stream: { items: 4, bytes: 100 } }])
    r.items(21, (again[0] as InvokeFrame).route as number, 0, 'a')
    expect(r.link(10).take()).toMatchObject([{ kind: 'items', id: fresh.id, first: 0 }])
  })
})
