import { beforeEach, describe, expect, test } from 'vitest'
import {
  CallTimeoutError,
  ClusterClosedError,
  MailboxFullError,
  WorkerUnavailableError,
} from '../../../src/protocol/errors.js'
import type { InvokeFrame, MessagingDownFrame, MessagingUpFrame, WorkerState } from '../../../src/protocol/frames.js'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from '../../../src/runtime/limits.js'
import { CAST_NOTICE, CAST_ROOM } from '../../../src/runtime/messaging/casts/cast-room.js'
import type { DownLink } from '../../../src/runtime/messaging/endpoint.js'
import { Members } from '../../../src/runtime/messaging/members.js'
import { Peer } from '../../../src/runtime/messaging/peer.js'
import { Router } from '../../../src/runtime/messaging/router.js'
import { FakeClock } from '../../support/fake-clock.js'
import { FakeLogger } from '../../support/fake-logger.js'
import { rejection, standing } from '../../support/outcome.js'

// A worker's casts by way of the router, to workers whose links take what they are given or, once stopped, hold it.

/** Casts that a link holds unread. */
const LINK = 8
const LARGE = 'x'.repeat(CAST_NOTICE)
const ending = { pid: 1, exitCode: null, signal: 'SIGKILL' } as const

/** The primary's link to a process: passes on, or holds, and is then full at its limit. */
class TestLink implements DownLink {
  readonly #deliver: (frame: MessagingDownFrame) => void
  #held: MessagingDownFrame[] | undefined
  #flush: { promise: Promise<void>; resolve: () => void } | undefined

  constructor(deliver: (frame: MessagingDownFrame) => void) {
    this.#deliver = deliver
  }

  get full(): boolean {
    return this.held >= LINK
  }

  get held(): number {
    return this.#held?.length ?? 0
  }

  send(frame: MessagingDownFrame): void {
    if (this.#held) this.#held.push(frame)
    else this.#deliver(frame)
  }

  flushed(): Promise<void> | undefined {
    if (this.held === 0) return undefined
    if (!this.#flush) {
      let resolve!: () => void
      const promise = new Promise<void>((settle) => {
        resolve = settle
      })
      this.#flush = { promise, resolve }
    }
    return this.#flush.promise
  }

  drop(): undefined {}

  /** The process reads no more. */
  stop(): void {
    this.#held ??= []
  }

  /** It reads all that there is; or its link has ended. */
  resume(lost = false): void {
    const held = this.#held ?? []
    this.#held = undefined
    if (!lost) for (const frame of held) this.#deliver(frame)
    this.#flush?.resolve()
    this.#flush = undefined
  }
}

function open() {
  const clock = new FakeClock()
  const logger = new FakeLogger()
  const members = new Members({ calls: (incarnation) => router.calls(incarnation) })
  const limits = { ...DEFAULT_LIMITS, link: LINK, waiting: 2 }
  const router: Router = new Router({ members, limits, timeouts: DEFAULT_TIMEOUTS, clock, logger, overflow: () => {} })
  const links = new Map<number, TestLink>()
  const arrived = new Map<number, InvokeFrame[]>()
  const peers = new Map<number, Peer>()
  const up: MessagingUpFrame[] = []
  /** What is said to worker 1 of its casts. */
  const told: MessagingDownFrame[] = []
  const attach = (id: number, incarnation = id * 10): void => {
    const self = { id, incarnation }
    const frames: InvokeFrame[] = []
    arrived.set(incarnation, frames)
    const peer = new Peer({
      self,
      link: {
        send(frame) {
          up.push(frame)
          router.receive(incarnation, frame)
        },
        isFull: () => false,
        castFlushed: () => undefined,
        publishFlushed: () => undefined,
      },
      methods: new Map(),
      concurrency: Number.POSITIVE_INFINITY,
      limits,
      timeouts: DEFAULT_TIMEOUTS,
      clock,
      logger,
    })
    peers.set(id, peer)
    const link = new TestLink((frame) => {
      if (id === 1) told.push(frame)
      if (frame.kind === 'invoke') frames.push(frame)
      else peer.receive(frame)
    })
    links.set(id, link)
    router.attach(self, link)
  }
  const is = (id: number, state: WorkerState, incarnation = id * 10): void => {
    const member = { id, incarnation, pid: 1, state, current: true, calls: 0, connections: 0, methods: {} }
    members.apply({ member, gone: false, removed: false })
    router.membersChanged()
  }
  const cast = (to: number | 'any', payload = '', from = 1): Promise<void> =>
    (peers.get(from) as Peer).casts.send({ to, method: 'note', payload })
  const link = (id: number): TestLink => links.get(id) as TestLink
  const got = (incarnation: number): InvokeFrame[] => arrived.get(incarnation) as InvokeFrame[]
  const peer = (id: number): Peer => peers.get(id) as Peer
  for (const id of [1, 2, 3]) {
    attach(id)
    is(id, 'ready')
  }
  return { clock, logger, members, router, up, told, attach, is, cast, link, got, peer }
}

let c: ReturnType<typeof open>
beforeEach(() => {
  c = open()
})

describe('casts of a worker to one that reads', () => {
  test('resolve, arrive in order, and cost a frame of the router for hundreds of them', async () => {
    for (let n = 0; n < 3_000; n++) await c.cast(2, String(n))
    expect(c.got(20).map(({ payload }) => payload)).toEqual(Array.from({ length: 3_000 }, (_, n) => String(n)))
    expect(c.told.length).toBeLessThan(10)
    expect(new Set(c.told.map(({ kind }) => kind))).toEqual(new Set(['passed']))
    expect(c.clock.armed).toBe(0)
  })

  test('of any size resolve: one that is larger than the room waits for the word of itself', async () => {
    for (let n = 0; n < 8; n++) await c.cast(2, 'x'.repeat(n % 2 ? CAST_ROOM * 2 : 1))
    expect(c.got(20)).toHaveLength(8)
  })

  test('to the primary, and of the primary, are without all this', async () => {
    c.attach(0, 0)
    await c.cast(2, '', 0)
    await c.peer(1).casts.send({ to: 0, method: 'note', payload: undefined })
    for (const frame of c.up) expect(frame).not.toHaveProperty('cast')
    expect(c.told).toEqual([])
  })
})

describe('casts of a worker to one that is stopped', () => {
  test('wait until its link has taken them, the first one too', async () => {
    c.link(2).stop()
    const first = c.cast(2)
    expect(await standing(first)).toBe('pending')
    c.link(2).resume()
    expect(await standing(first)).toBeUndefined()
    expect(c.got(20)).toHaveLength(1)
  })

  test('are refused when its link is full, each of them, and nothing of it is lost when it reads again', async () => {
    c.link(2).stop()
    const casts = Array.from({ length: 1_000 }, (_, n) => c.cast(2, String(n)))
    const outcomes = Promise.allSettled(casts)
    expect(c.link(2).held).toBe(LINK)
    c.link(2).resume()
    const settled = await outcomes
    expect(settled.slice(0, LINK).every(({ status }) => status === 'fulfilled')).toBe(true)
    for (const outcome of settled.slice(LINK)) {
      expect(outcome).toMatchObject({
        reason: { code: 'ERR_MAILBOX_FULL', target: 2, method: 'note', sent: 'no', retryable: true },
      })
    }
    expect(c.got(20).map(({ payload }) => payload)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
    expect(c.logger.lines).toEqual([])
    await c.cast(2, 'again')
    expect(c.got(20)).toHaveLength(LINK + 1)
  })

  test('that are many more than it can hold do not all go to the primary to be refused', async () => {
    c.link(2).stop()
    const casts = Array.from({ length: 1_000 }, () => c.cast(2).catch(() => {}))
    await standing(casts[999] as Promise<void>)
    expect(c.up.length).toBeLessThanOrEqual(LINK + 1)
  })

  test('are refused to a worker that has cast there before, but for what was on its way', async () => {
    await c.cast(2)
    c.link(2).stop()
    for (let n = 0; n < LINK; n++) void c.cast(2, '', 3).catch(() => {})
    // It may be ahead of what it knows by the room that it has, and no more; what is lost of that is counted, and logged.
    await c.cast(2)
    expect(c.router.stats().dropped).toBe(1)
    expect(c.logger.lines).toEqual([
      expect.stringMatching(/warning: a cast was dropped: note on worker 2 was refused: the link/),
    ])
    expect(await rejection(MailboxFullError, c.cast(2))).toMatchObject({ target: 2, sent: 'no' })
    c.link(2).resume()
    await c.cast(2)
    expect(c.got(20)).toHaveLength(LINK + 2)
  })

  test('are never further ahead of it than the room that there is for them', async () => {
    await c.cast(2)
    c.link(2).stop()
    await c.cast(2, LARGE)
    const over = c.cast(2, LARGE)
    expect(await standing(over)).toBe('pending')
    c.link(2).resume()
    expect(await standing(over)).toBeUndefined()
  })

  test('that wait too long fail, with one timer for all of them', async () => {
    c.link(2).stop()
    const casts = [c.cast(2), c.cast(2), c.cast(2)]
    const failed = Promise.all(casts.map((cast) => rejection(CallTimeoutError, cast)))
    expect(c.clock.armed).toBe(1)
    await c.clock.advance(DEFAULT_TIMEOUTS.call + 20)
    for (const error of await failed) expect(error).toMatchObject({ target: 2, method: 'note', sent: 'maybe' })
    expect(c.clock.armed).toBe(0)
    // Its word comes late, and finds nobody; what is cast then is taken again.
    c.link(2).resume()
    await c.cast(2)
    expect(c.peer(1).dropped).toBe(0)
  })

  test('are settled by its death, and then go to its replacement', async () => {
    c.link(2).stop()
    const cast = c.cast(2)
    c.link(2).resume(true)
    c.router.detach(20, ending)
    expect(await standing(cast)).toBeUndefined()
    c.is(2, 'starting', 21)
    for (const payload of ['a', 'b']) await c.cast(2, payload)
    expect(await rejection(WorkerUnavailableError, c.cast(2, 'c'))).toMatchObject({ sent: 'no' })
    c.attach(2, 21)
    c.is(2, 'ready', 21)
    expect(c.got(21).map(({ payload }) => payload)).toEqual(['a', 'b'])
    await c.cast(2, 'd')
    expect(c.got(21)).toHaveLength(3)
  })

  test('hold up nothing that goes elsewhere, and no answer', async () => {
    c.link(2).stop()
    void c.cast(2).catch(() => {})
    await c.cast(3)
    expect(c.got(30)).toHaveLength(1)
  })

  test('end with the link of who cast them', async () => {
    c.link(2).stop()
    const cast = rejection(ClusterClosedError, c.cast(2))
    c.peer(1).close()
    expect(await cast).toMatchObject({ sent: 'maybe' })
    expect(c.clock.armed).toBe(0)
    await rejection(ClusterClosedError, c.cast(2))
  })

  test('leave nothing behind in the router when who cast them dies', async () => {
    c.link(2).stop()
    void c.cast(2).catch(() => {})
    c.router.detach(10, ending)
    c.link(2).resume()
    await c.clock.settle()
    expect(c.router.stats()).toMatchObject({ dropped: 0, unexpected: 0 })
  })
})

describe("casts of a worker to 'any'", () => {
  test('go to those that read, and are refused when none does', async () => {
    c.link(2).stop()
    c.is(1, 'draining')
    for (let n = 0; n < 100; n++) await c.cast('any')
    expect(c.got(30).length).toBe(100 - LINK)
    c.link(3).stop()
    const outcomes = await Promise.allSettled(Array.from({ length: 2 * LINK }, () => c.cast('any')))
    await c.cast('any').catch(() => {})
    await rejection(MailboxFullError, c.cast('any'))
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(LINK)
    c.link(3).resume()
    await c.cast('any')
  })
})

test('word of casts that were never made is not believed', () => {
  c.peer(1).receive({ kind: 'passed', to: 2, cast: 5 })
  c.peer(1).receive({ kind: 'dropped', to: 2, cast: 5, error: { code: 'ERR_MAILBOX_FULL', details: {} } })
  expect(c.peer(1).dropped).toBe(2)
})
