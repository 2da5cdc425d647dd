import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MessagingDownFrame, MessagingUpFrame } from '../../../src/protocol/frames.js'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from '../../../src/runtime/limits.js'
import { Members } from '../../../src/runtime/messaging/members.js'
import { registerMethods } from '../../../src/runtime/messaging/method-registry.js'
import { Peer } from '../../../src/runtime/messaging/peer.js'
import { Router } from '../../../src/runtime/messaging/router.js'
import { FakeClock } from '../../support/fake-clock.js'
import { FakeLogger } from '../../support/fake-logger.js'

const GONE = { pid: 1, exitCode: null, signal: 'SIGKILL' }

/** What the generator does, item by item, and how it ends. */
interface Script {
  readonly items: readonly { readonly size: number; readonly waits: boolean }[]
  readonly ending: 'returns' | 'throws'
}

const memberOf = (id: number, state: 'ready' | 'stopped') =>
  ({ id, incarnation: id * 10, pid: 1, state, current: true, calls: 0, connections: 0, methods: {} }) as const

/** The router and two workers, of which 1 reads and 2 sends; every frame waits until the test lets it go on, in order per link. */
function wire(script: Script, room: { stream: number; streamBytes: number }) {
  const clock = new FakeClock()
  const logger = new FakeLogger()
  const limits = { ...DEFAULT_LIMITS, ...room }
  const members = new Members()
  const router = new Router({ members, limits, timeouts: DEFAULT_TIMEOUTS, clock, logger, overflow: () => {} })
  const seen = { made: 0, closed: false, begun: false }
  async function* scripted() {
    seen.begun = true
    try {
      for (const [index, { size, waits }] of script.items.entries()) {
        if (waits) await new Promise((resolve) => clock.nextTurn(() => resolve(undefined)))
        seen.made++
        yield { index, text: 'x'.repeat(size) }
      }
      if (script.ending === 'throws') throw new RangeError('scripted')
      return script.items.length
    } finally {
      seen.closed = true
    }
  }
  /** Frames on their way, one queue for each direction of each link. */
  const queues: (() => void)[][] = []
  const alive = new Set([10, 20])
  const peers = [1, 2].map((id) => {
    const incarnation = id * 10
    const [up, down]: (() => void)[][] = [[], []]
    queues.push(up as (() => void)[], down as (() => void)[])
    const carry = <F>(queue: (() => void)[] | undefined, frame: F, deliver: (frame: F) => void): void => {
      const copy = JSON.parse(JSON.stringify(frame)) as F
      queue?.push(() => {
        if (alive.has(incarnation)) deliver(copy)
      })
    }
    const peer: Peer = new Peer({
      self: { id, incarnation },
      link: {
        isFull: () => false,
        send: (frame: MessagingUpFrame) => carry(up, frame, (copy) => router.receive(incarnation, copy)),
        castFlushed: () => undefined,
        publishFlushed: () => undefined,
      },
      methods: registerMethods({ scripted }, 'methods'),
      concurrency: Number.POSITIVE_INFINITY,
      limits,
      timeouts: DEFAULT_TIMEOUTS,
      clock,
      logger,
    })
    router.attach(
      { id, incarnation },
      {
        full: false,
        held: 0,
        flushed: () => undefined,
        drop: () => {},
        send: (frame: MessagingDownFrame) => carry(down, frame, (copy) => peer.receive(copy)),
      },
    )
    members.apply({ member: memberOf(id, 'ready'), gone: false, removed: false })
    return peer
  })
  const [reader, sender] = peers as [Peer, Peer]
  const kill = (incarnation: number): void => {
    alive.delete(incarnation)
    members.apply({ member: memberOf(incarnation / 10, 'stopped'), gone: true, removed: false })
    router.membersChanged()
    router.detach(incarnation, GONE)
  }
  /** Lets one frame of one of the links arrive. False when none is on its way. */
  const deliver = (choice: number): boolean => {
    const busy = queues.filter((queue) => queue.length > 0)
    busy[choice % busy.length]?.shift()?.()
    return busy.length > 0
  }
  return { clock, router, reader, sender, seen, kill, deliver }
}

const scripts = fc.record({
  items: fc.array(fc.record({ size: fc.nat(60), waits: fc.boolean() }), { maxLength: 40 }),
  ending: fc.constantFrom('returns' as const, 'throws' as const),
})
const rooms = fc.record({ stream: fc.integer({ min: 1, max: 12 }), streamBytes: fc.integer({ min: 1, max: 400 }) })
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('deliver' as const), choice: fc.nat(3) }) },
    { weight: 4, arbitrary: fc.constant({ kind: 'next' as const }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'settle' as const }) },
  ),
  { maxLength: 120 },
)
const endings = fc.constantFrom('read' as const, 'leave' as const, 'reader dies' as const, 'sender dies' as const)

test('whatever crosses whatever, the reader gets the items from the first on, in order, and then one end; nothing is left', async () => {
  await fc.assert(
    fc.asyncProperty(scripts, rooms, steps, endings, async (script, room, plan, ending) => {
      const { clock, router, reader, sender, seen, kill, deliver } = wire(script, room)
      const stream = reader.streams.open({
        to: 2,
        method: 'scripted',
        payload: () => '{"plain":[]}',
        timeout: 1e9,
        idle: 1e9,
        total: undefined,
        window: undefined,
      })
      const asked: Promise<IteratorResult<unknown>>[] = []
      let answered = 0
      const ask = (): void => {
        const next = stream.next()
        asked.push(next)
        next.then(
          ({ done }) => {
            if (!done) answered++
          },
          () => {},
        )
      }
      const held = (): void => expect(seen.made - answered).toBeLessThanOrEqual(room.stream + 1)
      for (const step of plan) {
        if (step.kind === 'deliver') deliver(step.choice)
        else if (step.kind === 'next') ask()
        else await clock.settle()
        held()
      }
      if (ending === 'leave') await stream.return()
      if (ending === 'reader dies') kill(10)
      if (ending === 'sender dies') kill(20)
      // From here on everything arrives, and the reader reads to the end.
      for (let round = 0; round < 400 && (deliver(round) || round < 200); round++) {
        if (ending !== 'reader dies') ask()
        while (deliver(round));
        await clock.settle()
        held()
      }

      const outcomes = ending === 'reader dies' ? [] : await Promise.allSettled(asked)
      const items = outcomes.flatMap((outcome) =>
        outcome.status === 'fulfilled' && !outcome.value.done ? [outcome.value.value as { index: number }] : [],
      )
      expect(items.map(({ index }) => index)).toEqual(items.map((_, position) => position))
      const rejected = outcomes.filter(({ status }) => status === 'rejected')
      const kept = ending === 'sender dies' ? ['ERR_WORKER_GONE', 'ERR_NO_SUCH_WORKER', 'ERR_REMOTE'] : ['ERR_REMOTE']
      for (const outcome of rejected)
        expect(kept).toContain(((outcome as PromiseRejectedResult).reason as { code: string }).code)
      expect(rejected.length).toBeLessThanOrEqual(1)
      if (ending === 'read') {
        expect(items).toHaveLength(script.items.length)
        expect(rejected).toHaveLength(script.ending === 'throws' ? 1 : 0)
      }
      if (ending !== 'sender dies' && seen.begun) expect(seen.closed).toBe(true)
      if (ending !== 'sender dies') await sender.actor.idle()
      expect(router.stats()).toMatchObject({ streams: 0, waiting: 0 })
      if (ending !== 'reader dies') {
        expect(reader.streams.size).toBe(0)
        expect(clock.holding).toBe(0)
      }
    }),
    { numRuns: 150 },
  )
}, 30_000)
