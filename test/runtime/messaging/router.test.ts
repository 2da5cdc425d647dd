import { beforeEach, describe, expect, test } from 'vitest'
import { fromRecord, toRecord } from '../../../src/protocol/error-record.js'
import { CallCycleError, MailboxFullError, type TroupeError } from '../../../src/protocol/errors.js'
import type {
  CallFrame,
  FailureFrame,
  InvokeFrame,
  MemberRecord,
  WireTarget,
  WorkerState,
} from '../../../src/protocol/frames.js'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type Limits } from '../../../src/runtime/limits.js'
import { Members } from '../../../src/runtime/messaging/members.js'
import { Router } from '../../../src/runtime/messaging/router.js'
import { FakeClock } from '../../support/fake-clock.js'
import { FakeLink } from '../../support/fake-link.js'
import { FakeLogger } from '../../support/fake-logger.js'
import { standing } from '../../support/outcome.js'

/** A router with the primary attached, and whichever workers a test adds. The incarnation of worker n is n0 at first. */
function open(limits: Partial<Limits> = {}) {
  const clock = new FakeClock()
  const logger = new FakeLogger()
  const members = new Members({ calls: (incarnation) => router.calls(incarnation) })
  const router: Router = new Router({
    members,
    limits: { ...DEFAULT_LIMITS, ...limits },
    timeouts: DEFAULT_TIMEOUTS,
    clock,
    logger,
    overflow: () => {},
  })
  const links = new Map<number, FakeLink>()
  const link = (incarnation: number): FakeLink => links.get(incarnation) as FakeLink
  const attach = (id: number, incarnation: number): void => {
    links.set(incarnation, new FakeLink())
    router.attach({ id, incarnation }, link(incarnation))
  }
  const is = (id: number, state: WorkerState, incarnation = id * 10, extra: Partial<MemberRecord> = {}): void => {
    const member = { id, incarnation, pid: 1, state, current: true, calls: 0, connections: 0, methods: {}, ...extra }
    members.apply({ member, gone: false, removed: false })
    router.membersChanged()
  }
  const ready = (...ids: number[]): void => {
    for (const id of ids) {
      attach(id, id * 10)
      is(id, 'ready')
    }
  }
  let lastId = 0
  const call = (from: number, to: WireTarget, fields: Partial<CallFrame> = {}): number => {
    const id = ++lastId
    router.receive(from, { kind: 'call', id, to, method: 'm', payload: 'p', deadline: 5_000, ...fields })
    return id
  }
  const cast = (from: number, to: WireTarget): void =>
    router.receive(from, { kind: 'call', to, method: 'm', payload: 'p' })
  const result = (from: number, id: number): void => router.receive(from, { kind: 'result', id, payload: 'r' })
  /** The invocations that a process has got since the last look. */
  const invoked = (incarnation: number): InvokeFrame[] =>
    link(incarnation)
      .take()
      .filter((frame) => frame.kind === 'invoke')
  const routeOf = (incarnation: number): number => invoked(incarnation).at(-1)?.route as number
  /** The one failure that a process has got. */
  const failure = (incarnation: number, id?: number): TroupeError => {
    const failures = link(incarnation)
      .take()
      .filter((frame): frame is FailureFrame => frame.kind === 'failure')
    expect(failures).toHaveLength(1)
    if (id !== undefined) expect(failures[0]?.id).toBe(id)
    return fromRecord(JSON.parse(JSON.stringify(failures[0]?.error)))
  }
  attach(0, 0)
  return { clock, logger, members, router, link, attach, is, ready, call, cast, result, invoked, routeOf, failure }
}

let r: ReturnType<typeof open>
beforeEach(() => {
  r = open()
})

describe('a call', () => {
  test("goes to its target under the router's number, with the caller as the channel knows it", () => {
    r.ready(1, 2)
    r.call(10, 2, { chain: [[5, 1, 'outer']] })
    expect(r.link(20).sent).toEqual([
      {
        kind: 'invoke',
        route: expect.any(Number),
        from: { id: 1, incarnation: 10 },
        method: 'm',
        payload: 'p',
        deadline: 5_000,
        chain: [[5, 1, 'outer']],
      },
    ])
  })

  test("is answered under the caller's own number", () => {
    r.ready(1, 2)
    const id = r.call(10, 2)
    r.result(20, r.routeOf(20))
    expect(r.link(10).sent).toEqual([{ kind: 'result', id, payload: 'r' }])
  })

  test('of two callers with the same number are kept apart', () => {
    r.ready(1, 2, 3)
    r.call(10, 3, { id: 7 })
    r.call(20, 3, { id: 7 })
    const [first, second] = r.invoked(30)
    r.router.receive(30, { kind: 'result', id: second?.route as number, payload: 'for 2' })
    r.router.receive(30, { kind: 'result', id: first?.route as number, payload: 'for 1' })
    expect(r.link(10).sent).toEqual([{ kind: 'result', id: 7, payload: 'for 1' }])
    expect(r.link(20).sent).toEqual([{ kind: 'result', id: 7, payload: 'for 2' }])
  })

  test('goes to the primary, and from it, as to any other', () => {
    r.ready(1)
    r.call(10, 0)
    expect(r.invoked(0)).toHaveLength(1)
    r.call(0, 1)
    expect(r.invoked(10)).toHaveLength(1)
    r.call(0, 0)
    expect(r.invoked(0)).toHaveLength(1)
  })

  test('goes to the caller itself', () => {
    r.ready(1)
    const id = r.call(10, 1)
    r.result(10, r.routeOf(10))
    expect(r.link(10).sent).toEqual([{ kind: 'result', id, payload: 'r' }])
  })

  test('keeps the order of one caller to one target', () => {
    r.ready(1, 2)
    for (const method of ['a', 'b', 'c']) r.call(10, 2, { method })
    r.cast(10, 2)
    expect(r.invoked(20).map(({ method }) => method)).toEqual(['a', 'b', 'c', 'm'])
  })

  test('that cannot be taken anywhere is refused at once', () => {
    const id = r.call(0, 3)
    expect(r.failure(0, id)).toMatchObject({ code: 'ERR_NO_SUCH_WORKER', target: 3, method: 'm', sent: 'no' })
  })

  test('to a full mailbox is refused at once', () => {
    r = open({ mailbox: 2 })
    r.ready(1)
    r.call(0, 1)
    r.call(0, 1)
    const id = r.call(0, 1)
    expect(r.failure(0, id)).toMatchObject({ code: 'ERR_MAILBOX_FULL', limit: 2, sent: 'no' })
    expect(r.router.calls(10)).toBe(2)
  })

  test('to a full link is refused at once, and says that it is the link', () => {
    r = open({ link: 16 })
    r.ready(1)
    r.link(10).full = true
    const id = r.call(0, 1)
    expect(r.failure(0, id)).toMatchObject({
      code: 'ERR_MAILBOX_FULL',
      limit: 16,
      message: expect.stringMatching(/link/),
    })
  })

  test('to a worker whose link is not there waits for what the supervisor makes of it', () => {
    r.is(1, 'ready')
    const id = r.call(0, 1)
    expect(r.link(0).take()).toEqual([{ kind: 'held', id, held: true }])
    r.is(1, 'starting')
    r.attach(1, 11)
    r.is(1, 'ready', 11)
    expect(r.link(0).take()).toEqual([{ kind: 'held', id, held: false }])
    expect(r.invoked(11)).toHaveLength(1)
  })
})

describe('an answer', () => {
  test('from another process than the one asked is dropped and counted', () => {
    r.ready(1, 2, 3)
    r.call(10, 2)
    r.result(30, r.routeOf(20))
    expect(r.link(10).sent).toEqual([])
    expect(r.router.stats().unexpected).toBe(1)
    expect(r.router.calls(20)).toBe(1)
  })

  test('from an earlier incarnation of the one asked is dropped and counted', () => {
    r.ready(1, 2)
    r.attach(2, 21)
    r.is(2, 'ready', 21)
    r.call(10, 2)
    const route = r.routeOf(21)
    r.result(20, route)
    expect(r.router.stats().unexpected).toBe(1)
    r.result(21, route)
    expect(r.link(10).sent).toHaveLength(1)
  })

  test('that comes twice is passed on once', () => {
    r.ready(1, 2)
    r.call(10, 2)
    const route = r.routeOf(20)
    r.result(20, route)
    r.result(20, route)
    expect(r.link(10).sent).toHaveLength(1)
    expect(r.router.stats().unexpected).toBe(1)
  })

  test('of any kind from a process that nobody knows is dropped and counted', () => {
    r.result(99, 1)
    r.call(99, 1)
    expect(r.router.stats().unexpected).toBe(2)
  })

  test('to a call that was cancelled is dropped and counted', () => {
    r.ready(1, 2)
    const id = r.call(10, 2)
    const route = r.routeOf(20)
    r.router.receive(10, { kind: 'cancel', id })
    r.result(20, route)
    expect(r.link(10).sent).toEqual([])
    expect(r.router.stats().unexpected).toBe(1)
  })

  test('goes back even when the link is full', () => {
    r.ready(1, 2)
    r.call(10, 2)
    r.link(10).full = true
    r.result(20, r.routeOf(20))
    expect(r.link(10).sent).toHaveLength(1)
  })
})

describe('a cancel', () => {
  test('reaches the target under the route, and frees its place', () => {
    r.ready(1, 2)
    const id = r.call(10, 2)
    const route = r.routeOf(20)
    r.router.receive(10, { kind: 'cancel', id })
    expect(r.link(20).sent).toEqual([{ kind: 'cancel', id: route }])
    expect(r.router.calls(20)).toBe(0)
  })

  test('of a call that waits takes it out of the room', () => {
    r.is(1, 'starting')
    const id = r.call(0, 1)
    r.router.receive(0, { kind: 'cancel', id })
    r.ready(1)
    expect(r.invoked(10)).toEqual([])
  })

  test("of somebody else's call, or of none, is dropped and counted", () => {
    r.ready(1, 2, 3)
    const id = r.call(10, 2)
    r.router.receive(30, { kind: 'cancel', id })
    expect(r.router.stats().unexpected).toBe(1)
    expect(r.router.calls(20)).toBe(1)
  })
})

describe('the death of a process', () => {
  const ending = { pid: 4711, exitCode: null, signal: 'SIGKILL' }

  test('fails every call that it was serving, with how it ended', () => {
    r.ready(1, 2)
    const ids = [r.call(10, 2), r.call(0, 2)]
    r.router.detach(20, ending)
    for (const [caller, id] of [
      [10, ids[0]],
      [0, ids[1]],
    ] as const)
      expect(r.failure(caller, id)).toMatchObject({
        code: 'ERR_WORKER_GONE',
        sent: 'maybe',
        id: 2,
        incarnation: 20,
        ...ending,
      })
  })

  test('cancels every call that it had made', () => {
    r.ready(1, 2)
    r.call(10, 2)
    const route = r.routeOf(20)
    r.router.detach(10, ending)
    expect(r.link(20).sent).toEqual([{ kind: 'cancel', id: route }])
    expect(r.router.calls(20)).toBe(0)
  })

  test('takes its calls out of the waiting room', () => {
    r.ready(1)
    r.is(2, 'starting')
    r.call(10, 2)
    r.router.detach(10, ending)
    r.ready(2)
    expect(r.invoked(20)).toEqual([])
  })

  test('leaves the calls of others alone', () => {
    r.ready(1, 2, 3)
    const id = r.call(10, 3)
    r.router.detach(20, ending)
    r.result(30, r.routeOf(30))
    expect(r.link(10).sent).toEqual([{ kind: 'result', id, payload: 'r' }])
  })

  test('is told once, and nothing that it still sends is believed', () => {
    r.ready(1, 2)
    r.call(10, 2)
    const route = r.routeOf(20)
    r.router.detach(20, ending)
    r.router.detach(20, ending)
    r.result(20, route)
    expect(r.link(10).sent).toHaveLength(1)
    expect(r.router.stats().unexpected).toBe(1)
  })

  test('of one that called itself leaves nothing behind', async () => {
    r.ready(1)
    r.call(10, 1)
    r.router.detach(10, ending)
    expect(await standing(r.router.idle())).toBeUndefined()
  })
})

describe('what a process says of calls that take long', () => {
  const ending = { pid: 4711, exitCode: null, signal: 'SIGKILL' }
  const running = { kind: 'running', ms: 300 } as const
  const say = (from: number, ...ids: number[]): void => {
    const calls = ids.map((id) => ({ id, stage: running }))
    r.router.receive(from, { kind: 'progress', at: r.clock.now(), lag: 3, calls })
  }

  test('goes to whoever waits for them, each under its own number', () => {
    r.ready(1, 2, 3)
    const mine = [r.call(10, 3), r.call(10, 3)]
    const theirs = r.call(20, 3)
    say(30, ...r.invoked(30).map(({ route }) => route as number))
    const told = (...ids: number[]) => ({
      kind: 'progress',
      at: r.clock.now(),
      lag: 3,
      calls: ids.map((id) => ({ id, stage: running })),
    })
    expect(r.link(10).take()).toEqual([told(...mine)])
    expect(r.link(20).take()).toEqual([told(theirs)])
  })

  test('is believed of its own calls only', () => {
    r.ready(1, 2, 3)
    r.call(10, 3)
    say(20, r.routeOf(30))
    expect(r.link(10).take()).toEqual([])
  })

  test('is what is known of them when it dies, with the age of that', async () => {
    r.ready(1, 2)
    const id = r.call(10, 2)
    say(20, r.routeOf(20))
    r.link(10).take()
    await r.clock.advance(700)
    r.router.detach(20, ending)
    const error = r.failure(10, id)
    expect(error).toMatchObject({ sent: 'yes', stage: running, age: 700 })
    expect(error.message).toContain('700 ms before that it had been running for 300 ms')
  })
})

describe('a call whose process died before it answered', () => {
  const ending = { pid: 4711, exitCode: null, signal: 'SIGKILL' }
  const methods = { m: { idempotent: true } }
  const gone = { code: 'ERR_WORKER_GONE', sent: 'maybe', incarnation: 20 }
  const serve = (...ids: number[]): void => {
    for (const id of ids) {
      r.attach(id, id * 10)
      r.is(id, 'ready', id * 10, { methods })
    }
  }
  /** As it happens: its link closes, the id waits for its successor, then the exit is known. */
  const die = (id: number, incarnation = id * 10): void => {
    r.is(id, 'starting', incarnation, { methods })
    r.router.detach(incarnation, ending)
  }

  test('goes to the replacement when it may happen twice, and its caller is not told that it waits', () => {
    serve(1, 2)
    const id = r.call(10, 2)
    r.link(20).take()
    die(2)
    r.attach(2, 21)
    r.is(2, 'ready', 21, { methods })
    const [again] = r.invoked(21)
    expect(again).toMatchObject({ method: 'm', payload: 'p', deadline: 5_000, from: { id: 1, incarnation: 10 } })
    r.result(21, again?.route as number)
    expect(r.link(10).take()).toEqual([{ kind: 'result', id, payload: 'r' }])
  })

  test("goes to another worker at once when it was for 'any'", () => {
    serve(1, 2)
    r.call(0, 'any')
    const [first, second] = r.invoked(10).length > 0 ? [1, 20] : [2, 10]
    die(first as number)
    expect(r.invoked(second as number)).toHaveLength(1)
  })

  test('is not sent a third time', () => {
    serve(1, 2)
    const id = r.call(10, 2)
    die(2)
    r.attach(2, 21)
    r.is(2, 'ready', 21, { methods })
    die(2, 21)
    expect(r.failure(10, id)).toMatchObject({ ...gone, incarnation: 21 })
  })

  test('is not sent again when the program did not say that it may happen twice', () => {
    r.ready(1, 2)
    const id = r.call(10, 2)
    r.is(2, 'starting')
    r.router.detach(20, ending)
    expect(r.failure(10, id)).toMatchObject(gone)
  })

  test('is never called unsent, whatever refuses it the second time', () => {
    serve(1, 2)
    const refusals: ((id: number) => void)[] = [
      () => r.is(2, 'failed', 20, { methods }),
      () => r.router.close(),
      () => {
        r.attach(2, 21)
        r.is(2, 'ready', 21, { methods })
        const error = toRecord(new MailboxFullError({ limit: 1, queue: 'mailbox', sent: 'no' }))
        r.router.receive(21, { kind: 'failure', id: r.routeOf(21), error })
      },
    ]
    for (const refuse of refusals) {
      r = open()
      serve(1, 2)
      const id = r.call(10, 2)
      die(2)
      refuse(id)
      expect(r.failure(10, id)).toMatchObject(gone)
    }
  })

  test('is given up like any other while it waits', () => {
    serve(1, 2)
    const id = r.call(10, 2)
    die(2)
    r.router.receive(10, { kind: 'cancel', id })
    r.attach(2, 21)
    r.is(2, 'ready', 21, { methods })
    expect(r.invoked(21)).toEqual([])
    expect(r.router.stats().waiting).toBe(0)
  })

  test('is not sent again when its caller is the one that died', () => {
    serve(1)
    r.call(10, 1)
    die(1)
    r.attach(1, 11)
    r.is(1, 'ready', 11, { methods })
    expect(r.invoked(11)).toEqual([])
  })
})

describe('a worker that is starting', () => {
  test('is waited for, and the caller is told so', () => {
    r.is(1, 'starting')
    const id = r.call(0, 1)
    expect(r.link(0).sent).toEqual([{ kind: 'held', id, held: true }])
  })

  test('gets what waited for it, in order, and the callers are told', () => {
    r.is(1, 'starting')
    const first = r.call(0, 1, { method: 'a' })
    r.cast(0, 1)
    const second = r.call(0, 1, { method: 'b' })
    r.link(0).take()
    r.ready(1)
    expect(r.invoked(10).map(({ method }) => method)).toEqual(['a', 'm', 'b'])
    expect(r.link(0).sent).toEqual([
      { kind: 'held', id: first, held: false },
      { kind: 'held', id: second, held: false },
    ])
  })

  test('that fails refuses what waited for it', () => {
    r.is(1, 'starting')
    const id = r.call(0, 1)
    r.is(1, 'failed')
    expect(r.failure(0, id)).toMatchObject({ code: 'ERR_NO_SUCH_WORKER', sent: 'no' })
  })

  test('is waited for by no more than the limit', () => {
    r = open({ waiting: 2 })
    r.is(1, 'starting')
    r.call(0, 1)
    r.call(0, 1)
    r.link(0).take()
    const id = r.call(0, 1)
    const error = r.failure(0, id)
    expect(error).toMatchObject({ code: 'ERR_WORKER_UNAVAILABLE', sent: 'no', retryable: true })
    expect(error.message).toContain('2 calls wait for it already (`limits.waiting`)')
  })

  test('has a limit of its own, whatever waits for others', () => {
    r = open({ waiting: 1 })
    r.is(1, 'starting')
    r.is(2, 'starting')
    r.call(0, 1)
    r.call(0, 2)
    r.call(0, 'any')
    expect(r.link(0).sent.map(({ kind }) => kind)).toEqual(['held', 'held', 'held'])
  })

  test('does not get what waited when another one is ready', () => {
    r.is(1, 'starting')
    r.call(0, 1)
    r.ready(2)
    expect(r.invoked(20)).toEqual([])
  })

  test("any: the first that is ready gets what waited for 'any'", () => {
    r.is(1, 'starting')
    r.is(2, 'starting')
    r.call(0, 'any')
    r.ready(2)
    expect(r.invoked(20)).toHaveLength(1)
  })
})

describe("'any'", () => {
  test('goes to the worker with the fewest calls', () => {
    r.ready(1, 2)
    r.call(0, 1)
    r.link(10).take()
    r.call(0, 'any')
    expect(r.invoked(20)).toHaveLength(1)
  })

  test('goes round while all are equally busy, calls and casts alike', () => {
    for (const workers of [2, 3, 4]) {
      for (const from of [0, 10]) {
        r = open()
        const ids = Array.from({ length: workers }, (_, index) => index + 1)
        r.ready(...ids)
        const got = new Map(ids.map((id) => [id, 0]))
        for (let turn = 0; turn < workers * 3; turn++) {
          // As the primary casts: it asks first whether that can be refused.
          if (from === 0) r.router.refusal('any', 'm')
          r.cast(from, 'any')
          void r.router.castFlushed()
          for (const id of ids) got.set(id, (got.get(id) as number) + r.invoked(id * 10).length)
        }
        expect([...got.values()]).toEqual(ids.map(() => 3))
      }
    }
  })

  test('goes to a full link never', () => {
    r.ready(1, 2)
    r.link(10).full = true
    for (let index = 0; index < 4; index++) r.call(0, 'any')
    expect(r.invoked(20)).toHaveLength(4)
  })

  const full = (route: number): FailureFrame => ({
    kind: 'failure',
    id: route,
    error: toRecord(new MailboxFullError({ target: 1, method: 'm', limit: 1, queue: 'mailbox' })),
  })

  test('moves on to the next when a mailbox turns out to be full', () => {
    r.ready(1, 2)
    r.call(0, 1)
    r.call(0, 2)
    r.call(0, 2)
    r.link(10).take()
    r.link(20).take()
    const id = r.call(0, 'any')
    r.router.receive(10, full(r.routeOf(10)))
    expect(r.link(0).sent).toEqual([])
    r.result(20, r.routeOf(20))
    expect(r.link(0).sent).toEqual([{ kind: 'result', id, payload: 'r' }])
  })

  test('is refused when every mailbox turned out to be full', () => {
    r.ready(1, 2)
    const id = r.call(0, 'any')
    for (let tries = 0; tries < 2; tries++) {
      const at = r.router.calls(10) > 0 ? 10 : 20
      r.router.receive(at, full(r.routeOf(at)))
    }
    expect(r.failure(0, id)).toMatchObject({
      message: expect.stringMatching(/the mailbox holds/),
      sent: 'no',
    })
  })

  test('moves on when the call would wait for itself in that worker', () => {
    r.ready(1, 2)
    r.call(0, 'any')
    const [here, there] = r.router.calls(10) > 0 ? [10, 20] : [20, 10]
    const cycle = new CallCycleError({ target: 1, method: 'm', reason: 'r', cycle: [] })
    r.router.receive(here, { kind: 'failure', id: r.routeOf(here), error: toRecord(cycle) })
    expect(r.invoked(there)).toHaveLength(1)
  })

  test('is refused as the last one refused it, when nobody is left', () => {
    r.ready(1, 2)
    const id = r.call(0, 'any')
    const [here, there] = r.router.calls(10) > 0 ? [10, 20] : [20, 10]
    r.router.receive(here, full(r.routeOf(here)))
    const cycle = new CallCycleError({ target: 1, method: 'm', reason: 'it would wait for itself', cycle: ['a', 'b'] })
    r.router.receive(there, { kind: 'failure', id: r.routeOf(there), error: toRecord(cycle) })
    expect(r.failure(0, id)).toMatchObject({ code: 'ERR_CALL_CYCLE', cycle: ['a', 'b'] })
  })

  test('is refused for its link, when every link is full', () => {
    r.ready(1, 2)
    r.link(10).full = true
    r.link(20).full = true
    expect(r.failure(0, r.call(0, 'any'))).toMatchObject({ message: expect.stringMatching(/the link holds/) })
  })

  test('does not move on from another failure, nor a call to one worker from a full mailbox', () => {
    r.ready(1, 2)
    const id = r.call(0, 1)
    r.router.receive(10, full(r.routeOf(10)))
    expect(r.failure(0, id)).toMatchObject({ code: 'ERR_MAILBOX_FULL' })
    expect(r.invoked(20)).toEqual([])
  })

  test('does not move on when the cluster has been closed meanwhile', () => {
    r.ready(1, 2)
    const id = r.call(0, 'any')
    const at = r.router.calls(10) > 0 ? 10 : 20
    const route = r.routeOf(at)
    r.router.close()
    r.router.receive(at, full(route))
    expect(r.failure(0, id)).toMatchObject({ code: 'ERR_MAILBOX_FULL' })
  })
})

describe('a cast', () => {
  test('goes without a number and is not waited for', () => {
    r.ready(1)
    r.cast(0, 1)
    expect(r.link(10).sent).toEqual([
      { kind: 'invoke', from: { id: 0, incarnation: 0 }, method: 'm', payload: 'p', chain: undefined },
    ])
    expect(r.router.calls(10)).toBe(0)
  })

  test.each([
    {
      why: 'nobody is there',
      prepare: () => {},
      line: /a cast was dropped: m on worker 1 was not sent: there is no worker 1/,
    },
    {
      why: 'the link is full',
      prepare: () => {
        r.ready(1)
        r.link(10).full = true
      },
      line: /a cast was dropped: m on worker 1 was refused: the link holds/,
    },
    {
      why: 'the cluster is closed',
      prepare: () => {
        r.ready(1)
        r.router.close()
      },
      line: /a cast was dropped: m on worker 1 was refused: the cluster is stopping/,
    },
  ])('that is dropped because $why is logged', ({ prepare, line }) => {
    prepare()
    r.cast(0, 1)
    expect(r.logger.lines).toEqual([expect.stringMatching(line)])
  })

  test('over the limit of who may wait is logged', () => {
    r = open({ waiting: 1 })
    r.is(1, 'starting')
    r.cast(0, 1)
    r.cast(0, 1)
    expect(r.logger.lines).toEqual([expect.stringContaining('1 calls wait for it already')])
  })

  test('that is certain to be lost can be known beforehand', () => {
    r.ready(1)
    expect(r.router.refusal(1, 'm')).toBeUndefined()
    expect(r.router.refusal(0, 'm')).toBeUndefined()
    expect(r.router.refusal(2, 'm')).toMatchObject({ code: 'ERR_NO_SUCH_WORKER', target: 2, method: 'm', sent: 'no' })
    r.router.close()
    expect(r.router.refusal(1, 'm')).toMatchObject({ code: 'ERR_CLUSTER_CLOSED' })
  })

  test('is flushed when the link that it went over is', async () => {
    r.ready(1, 2)
    r.link(10).flushes = false
    r.cast(0, 1)
    const flushed = Promise.resolve(r.router.castFlushed())
    expect(await standing(flushed)).toBe('pending')
    r.link(10).flush()
    expect(await standing(flushed)).toBeUndefined()
  })

  test('is flushed at once when none went anywhere', async () => {
    expect(r.router.castFlushed()).toBeUndefined()
  })
})

describe('the end', () => {
  test('refuses what is new and what waits, and lets what runs be answered', () => {
    r.ready(1)
    r.is(2, 'starting')
    const running = r.call(0, 1)
    const waiting = r.call(0, 2)
    r.link(0).take()
    r.router.close()
    expect(r.failure(0, waiting)).toMatchObject({ code: 'ERR_CLUSTER_CLOSED', sent: 'no' })
    const fresh = r.call(0, 1)
    expect(r.failure(0, fresh)).toMatchObject({ code: 'ERR_CLUSTER_CLOSED', sent: 'no' })
    r.result(10, r.routeOf(10))
    expect(r.link(0).sent).toEqual([{ kind: 'result', id: running, payload: 'r' }])
  })

  test('takes what a method that still runs calls, and nothing that claims so', () => {
    r.ready(1, 2)
    r.call(0, 1)
    const route = r.routeOf(10)
    r.router.close()
    r.call(10, 2, { chain: [[route, 1, 'm']] })
    expect(r.invoked(20)).toHaveLength(1)
    r.result(10, route)
    const id = r.call(10, 2, { chain: [[route, 1, 'm']] })
    expect(r.failure(10, id)).toMatchObject({ code: 'ERR_CLUSTER_CLOSED' })
  })

  test('of one process refuses what is new for it, and lets it answer', () => {
    r.ready(1, 2)
    const running = r.call(0, 1)
    const route = r.routeOf(10)
    r.router.close(10)
    const refused = r.call(0, 1)
    expect(r.failure(0, refused)).toMatchObject({
      code: 'ERR_NO_SUCH_WORKER',
      message: 'm on worker 1 was not sent: worker 1 is being removed',
    })
    for (let index = 0; index < 3; index++) r.call(0, 'any')
    expect(r.invoked(10)).toEqual([])
    expect(r.invoked(20)).toHaveLength(3)
    r.result(10, route)
    expect(r.link(0).sent).toEqual([{ kind: 'result', id: running, payload: 'r' }])
  })

  test('logs the casts that waited', () => {
    r.is(1, 'starting')
    r.cast(0, 1)
    r.router.close()
    expect(r.logger.lines).toEqual([expect.stringContaining('the cluster is stopping')])
  })

  test('idle: when nothing runs in that process', async () => {
    r.ready(1, 2)
    r.call(0, 1)
    r.call(0, 2)
    const [one, all] = [r.router.idle(10), r.router.idle()]
    r.result(10, r.routeOf(10))
    expect(await standing(one)).toBeUndefined()
    expect(await standing(all)).toBe('pending')
    r.router.detach(20, {})
    expect(await standing(all)).toBeUndefined()
  })

  test('idle: also when the last call was cancelled', async () => {
    r.ready(1)
    const id = r.call(0, 1)
    const idle = r.router.idle()
    r.router.receive(0, { kind: 'cancel', id })
    expect(await standing(idle)).toBeUndefined()
  })
})

test('the numbers say what waits and what was dropped', () => {
  r.ready(1)
  r.is(2, 'starting')
  r.router.receive(10, { kind: 'subscribe', channel: 'news', ref: 1 })
  r.router.receive(0, { kind: 'publish', channel: 'news', payload: 'x', self: true, ref: 4, deadline: 9_000 })
  r.call(0, 2)
  r.cast(0, 2)
  r.cast(0, 3)
  r.result(10, 99)
  expect(r.router.stats()).toMatchObject({ waiting: 2, receipts: 1, streams: 0, unexpected: 1, dropped: 1 })
})

test('the numbers say how near each process is to its limits', () => {
  r.ready(1)
  r.call(0, 1)
  r.call(0, 1)
  r.link(10).held = 700
  expect(r.router.stats().processes).toEqual([
    { id: 0, incarnation: 0, mailbox: 0, linkBytes: 0 },
    { id: 1, incarnation: 10, mailbox: 2, linkBytes: 700 },
  ])
})

describe('channels', () => {
  const publish = (): void =>
    r.router.receive(0, { kind: 'publish', channel: 'news', payload: 'x', self: true, ref: undefined })

  test('a publish is flushed when its subscribers have it, or after a moment, for one that does not read', async () => {
    r.ready(1, 2)
    for (const incarnation of [10, 20]) {
      r.link(incarnation).flushes = false
      r.router.receive(incarnation, { kind: 'subscribe', channel: 'news', ref: 1 })
    }
    publish()
    const flushed = Promise.resolve(r.router.publishFlushed())
    r.link(10).flush()
    expect(await standing(flushed)).toBe('pending')
    await r.clock.advance(100)
    expect(await standing(flushed)).toBeUndefined()
  })

  test('a publish waits for nobody who has not subscribed, or who is known to be blocked', () => {
    r.ready(1, 2)
    r.link(10).flushes = false
    r.link(20).flushes = false
    publish()
    expect(r.router.publishFlushed()).toBeUndefined()
    r.router.receive(20, { kind: 'subscribe', channel: 'news', ref: 1 })
    publish()
    expect(r.router.publishFlushed()).toBeInstanceOf(Promise)
    r.is(2, 'unhealthy')
    publish()
    expect(r.router.publishFlushed()).toBeUndefined()
  })

  test('a publish goes to every process that has subscribed, and a death ends the subscription', () => {
    r.ready(1, 2)
    r.router.receive(10, { kind: 'subscribe', channel: 'news', ref: 1 })
    r.router.receive(20, { kind: 'subscribe', channel: 'news', ref: 1 })
    r.router.receive(10, { kind: 'unsubscribe', channel: 'news' })
    r.link(10).take()
    r.link(20).take()
    r.router.receive(0, { kind: 'publish', channel: 'news', payload: 'x', self: true })
    expect(r.link(10).sent).toEqual([])
    expect(r.link(20).sent).toEqual([{ kind: 'message', channel: 'news', payload: 'x' }])
  })

  test('a death fails its acknowledgement with how it ended', () => {
    r.ready(1)
    r.router.receive(10, { kind: 'subscribe', channel: 'news', ref: 1 })
    r.router.receive(0, { kind: 'publish', channel: 'news', payload: 'x', self: true, ref: 4, deadline: 9_000 })
    r.router.detach(10, { pid: 5, exitCode: 1, signal: null })
    const receipt = r.link(0).sent.at(-1)
    expect(receipt).toMatchObject({ kind: 'receipt', ref: 4, acknowledged: [] })
    const [failed] = receipt?.kind === 'receipt' ? receipt.failed : []
    expect(fromRecord(failed?.error as never)).toMatchObject({
      code: 'ERR_WORKER_GONE',
      method: 'the acknowledgement of news',
      exitCode: 1,
      pid: 5,
    })
  })

  test('an acknowledgement reaches its receipt', () => {
    r.ready(1)
    r.router.receive(10, { kind: 'subscribe', channel: 'news', ref: 1 })
    r.router.receive(0, { kind: 'publish', channel: 'news', payload: 'x', self: true, ref: 4, deadline: 9_000 })
    const message = r.link(10).sent.at(-1)
    r.router.receive(10, { kind: 'ack', receipt: message?.kind === 'message' ? (message.receipt as number) : 0 })
    expect(r.link(0).sent.at(-1)).toMatchObject({ kind: 'receipt', acknowledged: [{ id: 1, incarnation: 10 }] })
  })
})
