import { beforeEach, describe, expect, test } from 'vitest'
import { toRecord } from '../../../src/protocol/error-record.js'
import {
  CallAbortedError,
  CallTimeoutError,
  ClusterClosedError,
  MailboxFullError,
  PayloadError,
  RemoteError,
  WorkerGoneError,
  WorkerUnavailableError,
} from '../../../src/protocol/errors.js'
import type { CallFrame, CreditFrame, MessagingUpFrame } from '../../../src/protocol/frames.js'
import { encodePayload } from '../../../src/protocol/payload.js'
import { DEFAULT_LIMITS, type Limits } from '../../../src/runtime/limits.js'
import { CallContext, runInContext } from '../../../src/runtime/messaging/call-context.js'
import { CallEvidence } from '../../../src/runtime/messaging/call-evidence.js'
import { StreamCalls, type StreamRequest } from '../../../src/runtime/messaging/streams/stream-calls.js'
import { FakeClock } from '../../support/fake-clock.js'
import { rejection, standing } from '../../support/outcome.js'

/** The streams that one process reads; the test is the router. */
function open(limits: Partial<Limits> = {}) {
  const clock = new FakeClock(1_000)
  const sent: MessagingUpFrame[] = []
  const link = {
    full: false,
    isFull: () => link.full,
    send: (frame: MessagingUpFrame) => void sent.push(frame),
    castFlushed: async () => {},
    publishFlushed: async () => {},
  }
  let lastId = 0
  const evidence: CallEvidence = new CallEvidence(clock, (id) => streams.isOpen(id))
  const streams = new StreamCalls({
    link,
    evidence,
    clock,
    limits: { ...DEFAULT_LIMITS, stream: 8, streamBytes: 1_000, ...limits },
    nextId: () => ++lastId,
  })
  const stream = (request: Partial<StreamRequest> = {}) =>
    streams.open({
      to: 2,
      method: 'tail',
      payload: () => '{"plain":[]}',
      timeout: 5_000,
      idle: 60_000,
      total: undefined,
      window: undefined,
      ...request,
    })
  const encode = (value: unknown): string =>
    encodePayload(value, { opaque: true, limit: 10_000, root: 'item' }) as string
  /** The next items of the stream with that number. */
  const firsts = new Map<number, number>()
  const items = (values: readonly unknown[], id = lastId): boolean => {
    const first = firsts.get(id) ?? 0
    firsts.set(id, first + values.length)
    return streams.items({ kind: 'items', id, first, items: values.map((value) => encode(value) ?? null) })
  }
  const result = (value?: unknown, id = lastId): boolean =>
    streams.settle({ kind: 'result', id, payload: encode(value) })
  const failure = (error = remote(), id = lastId): boolean =>
    streams.settle({ kind: 'failure', id, error: toRecord(error) })
  const remote = (): RemoteError =>
    new RemoteError({
      target: 2,
      method: 'tail',
      from: { id: 2, incarnation: 5 },
      thrown: { name: 'RangeError', message: 'too far', stack: 'RangeError: too far\n    at tail (worker.js:1:1)' },
    })
  const of = (kind: MessagingUpFrame['kind']) => sent.filter((frame) => frame.kind === kind)
  return { clock, link, sent, streams, evidence, stream, items, result, failure, of }
}

let s: ReturnType<typeof open>
beforeEach(() => {
  s = open()
})

describe('a stream', () => {
  test('is asked for at once, with the room that its reader has, and no deadline of its own', () => {
    s.stream()
    expect(s.sent).toEqual([
      {
        kind: 'call',
        id: 1,
        to: 2,
        method: 'tail',
        payload: '{"plain":[]}',
        deadline: undefined,
        chain: undefined,
        stream: { items: 8, bytes: 1_000 },
      },
    ])
  })

  test('gives its items in order, those that wait first, and then what the generator returned', async () => {
    const stream = s.stream()
    s.items(['a', 'b'])
    expect(await stream.next()).toEqual({ done: false, value: 'a' })
    const [second, third, last] = [stream.next(), stream.next(), stream.next()]
    s.items(['c'])
    s.result('the end')
    expect(await second).toEqual({ done: false, value: 'b' })
    expect(await third).toEqual({ done: false, value: 'c' })
    expect(await last).toEqual({ done: true, value: 'the end' })
    expect(await stream.next()).toEqual({ done: true, value: undefined })
    expect(s.streams.size).toBe(0)
    expect(s.of('cancel')).toEqual([])
  })

  test('gives undefined, null and falsy items as what they are', async () => {
    const stream = s.stream()
    s.items([undefined, null, 0, '', false])
    s.result()
    const values: unknown[] = []
    for await (const value of stream) values.push(value)
    expect(values).toEqual([undefined, null, 0, '', false])
  })

  test('is its own iterator: a second loop over it finds it read', async () => {
    const stream = s.stream()
    s.items([1, 2])
    s.result()
    const read = async (): Promise<unknown[]> => {
      const values: unknown[] = []
      for await (const value of stream) values.push(value)
      return values
    }
    expect(await read()).toEqual([1, 2])
    expect(await read()).toEqual([])
  })

  test('gives an error after the items that came before it, once, with both stacks', async () => {
    const stream = s.stream()
    s.items([1, 2])
    s.failure()
    expect(await stream.next()).toMatchObject({ value: 1 })
    expect(await stream.next()).toMatchObject({ value: 2 })
    async function reader() {
      await stream.next()
    }
    const error = await rejection(RemoteError, reader())
    expect(error.remote).toMatchObject({ name: 'RangeError', stack: expect.stringContaining('worker.js:1:1') })
    expect(error.stack).toMatch(/at (async )?reader/)
    expect(error.stack).not.toContain('remote-stream')
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })

  test('rejects only the first of several that wait, as a generator does', async () => {
    const stream = s.stream()
    const [first, second] = [stream.next(), stream.next()]
    s.failure()
    await rejection(RemoteError, first)
    expect(await second).toEqual({ done: true, value: undefined })
  })

  test('ends with the error when an item cannot be read, and its generator is told', async () => {
    const stream = s.stream()
    s.streams.items({ kind: 'items', id: 1, first: 0, items: ['{"plain":1}', '{"neither":1}', '{"plain":3}'] })
    await stream.next()
    const error = await rejection(PayloadError, stream.next())
    expect(error).toMatchObject({ path: 'items[1]', method: 'tail', target: 2, sent: 'yes' })
    expect(s.of('cancel')).toEqual([{ kind: 'cancel', id: 1 }])
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })

  test('that cannot be asked for says so at the first next', async () => {
    const refused = new PayloadError({ path: 'args[0]', reason: 'is a function' })
    const stream = s.stream({
      payload: () => {
        throw refused
      },
    })
    expect(await rejection(PayloadError, stream.next())).toBe(refused)
    s.link.full = true
    await rejection(MailboxFullError, s.stream().next())
    s.link.full = false
    await rejection(CallAbortedError, s.stream({ signal: AbortSignal.abort() }).next())
    expect(s.sent).toEqual([])
    expect(s.clock.armed).toBe(0)
  })
})

describe('credit', () => {
  const credits = (): CreditFrame[] => s.of('credit') as CreditFrame[]

  test('is given when half of the room in items has been taken, as a sum', async () => {
    const stream = s.stream()
    s.items([1, 2, 3, 4, 5, 6, 7, 8])
    for (let taken = 0; taken < 3; taken++) await stream.next()
    expect(credits()).toEqual([])
    await stream.next()
    expect(credits()).toEqual([{ kind: 'credit', id: 1, items: 4, bytes: 4 * '{"plain":1}'.length }])
    for (let taken = 0; taken < 4; taken++) await stream.next()
    expect(credits().map(({ items }) => items)).toEqual([4, 8])
  })

  test('is given when half of the room in bytes has been taken', async () => {
    const stream = s.stream()
    s.items(['x'.repeat(600), 'y'])
    await stream.next()
    expect(credits()).toMatchObject([{ items: 1 }])
  })

  test('is given for every item where the window is one', async () => {
    const stream = s.stream({ window: 1 })
    s.items(['a'])
    await stream.next()
    s.items(['b'])
    await stream.next()
    expect(credits().map(({ items }) => items)).toEqual([1, 2])
  })

  test('is not given after the end', async () => {
    const stream = s.stream()
    s.items([1, 2, 3, 4, 5, 6, 7, 8])
    s.result()
    for await (const _ of stream);
    expect(credits()).toEqual([])
  })
})

describe('what should not arrive', () => {
  test('items that came before, or belong to no stream, are dropped', async () => {
    const stream = s.stream()
    s.items([1, 2])
    expect(s.streams.items({ kind: 'items', id: 1, first: 0, items: ['{"plain":9}'] })).toBe(false)
    expect(s.streams.items({ kind: 'items', id: 7, first: 0, items: ['{"plain":9}'] })).toBe(false)
    s.result()
    expect(s.items([3])).toBe(false)
    const values: unknown[] = []
    for await (const value of stream) values.push(value)
    expect(values).toEqual([1, 2])
  })

  test.each([
    ['a hole', { first: 3, items: ['{"plain":3}'] }],
    ['more than there is room for', { first: 1, items: new Array<string>(8).fill('{"plain":3}') }],
  ])('%s ends the stream after what came whole', async (_, fields) => {
    const stream = s.stream()
    s.items([1])
    expect(s.streams.items({ kind: 'items', id: 1, ...fields })).toBe(false)
    expect(await stream.next()).toMatchObject({ value: 1 })
    expect((await rejection(PayloadError, stream.next())).message).toContain('did not arrive whole')
    expect(s.of('cancel')).toHaveLength(1)
  })

  test('an end that crosses a cancel finds nobody', async () => {
    const stream = s.stream()
    await stream.return()
    expect(s.result()).toBe(false)
    expect(s.failure()).toBe(false)
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })
})

describe('leaving', () => {
  test('a loop by break tells the generator once, and drops what has arrived', async () => {
    const stream = s.stream()
    s.items([1, 2, 3])
    for await (const _ of stream) break
    expect(s.of('cancel')).toEqual([{ kind: 'cancel', id: 1 }])
    expect(await stream.next()).toEqual({ done: true, value: undefined })
    expect(s.streams.size).toBe(0)
    expect(s.clock.armed).toBe(0)
  })

  test('by return gives its value, also while somebody waits, who then gets nothing', async () => {
    const stream = s.stream()
    const waiting = [stream.next(), stream.next()]
    expect(await stream.return('enough')).toEqual({ done: true, value: 'enough' })
    expect(await Promise.all(waiting)).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ])
    expect(s.of('cancel')).toHaveLength(1)
  })

  test('by throw rejects with that very error', async () => {
    const stream = s.stream()
    const reason = new Error('no more')
    expect(await rejection(Error, stream.throw(reason))).toBe(reason)
    expect(s.of('cancel')).toHaveLength(1)
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })

  test('by the end of an `await using` block tells the generator', async () => {
    {
      await using stream = s.stream()
      expect(stream).toBeDefined()
    }
    expect(s.of('cancel')).toHaveLength(1)
  })

  test('after the end sends nothing, and drops items and errors that nobody has taken', async () => {
    const stream = s.stream()
    s.items([1])
    s.failure()
    await stream.return()
    expect(s.of('cancel')).toEqual([])
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })
})

describe('a signal', () => {
  test('gives the stream up at once, whatever has arrived, with its reason as the cause', async () => {
    const controller = new AbortController()
    const stream = s.stream({ signal: controller.signal })
    s.items([1, 2])
    await stream.next()
    const reason = new Error('changed my mind')
    controller.abort(reason)
    const error = await rejection(CallAbortedError, stream.next())
    expect(error).toMatchObject({ name: 'AbortError', cause: reason, sent: 'yes' })
    expect(s.of('cancel')).toHaveLength(1)
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })

  test('that crosses the end changes nothing', async () => {
    const controller = new AbortController()
    const stream = s.stream({ signal: controller.signal })
    s.items([1])
    s.result('end')
    controller.abort()
    expect(await stream.next()).toMatchObject({ value: 1 })
    expect(await stream.next()).toEqual({ done: true, value: 'end' })
    expect(s.of('cancel')).toEqual([])
  })
})

describe('limits of time', () => {
  test('an item that does not come ends it: the wait counts from when somebody asked', async () => {
    const stream = s.stream({ timeout: 100 })
    await s.clock.advance(5_000)
    const next = stream.next()
    await s.clock.advance(99)
    expect(await standing(next)).toBe('pending')
    s.items([1])
    expect(await next).toMatchObject({ value: 1 })
    const second = stream.next()
    second.catch(() => {})
    await s.clock.advance(100)
    const error = await rejection(CallTimeoutError, second)
    expect(error).toMatchObject({ timeout: 100, sent: 'yes' })
    expect(error.message).toContain('tail on worker 2 sent no item for 100 ms (1 item had arrived)')
    expect(s.of('cancel')).toHaveLength(1)
    expect(s.clock.armed).toBe(0)
  })

  test('each of several that wait has its own time', async () => {
    const stream = s.stream({ timeout: 100 })
    const [first, second] = [stream.next(), stream.next()]
    await s.clock.advance(80)
    s.items([1])
    await first
    await s.clock.advance(80)
    expect(await standing(second)).toBe('pending')
    second.catch(() => {})
    await s.clock.advance(20)
    await rejection(CallTimeoutError, second)
  })

  test('what its worker said last is in the error', async () => {
    const stream = s.stream({ timeout: 100 })
    const next = stream.next()
    next.catch(() => {})
    s.evidence.progress({ kind: 'progress', at: 1_000, lag: 0, calls: [{ id: 1, stage: { kind: 'running', ms: 40 } }] })
    await s.clock.advance(100)
    const error = await rejection(CallTimeoutError, next)
    expect(error).toMatchObject({
      stage: { kind: 'running', ms: 40 },
      age: 100,
      sent: 'yes',
      stream: { rule: 'item', items: 0 },
    })
    expect(error.message).toContain('had been running for 40 ms')
  })

  test('a stream that nobody reads is ended, and gives what had arrived to whoever comes late', async () => {
    const stream = s.stream({ idle: 1_000 })
    s.items([1, 2])
    await s.clock.advance(999)
    expect(s.of('cancel')).toEqual([])
    await s.clock.advance(1)
    expect(s.of('cancel')).toHaveLength(1)
    expect(s.streams.size).toBe(0)
    expect(await stream.next()).toMatchObject({ value: 1 })
    expect(await stream.next()).toMatchObject({ value: 2 })
    const error = await rejection(CallTimeoutError, stream.next())
    expect(error.message).toContain('nobody took an item from it for 1000 ms')
  })

  test('a slow reader is not one that has left, however long the whole takes', async () => {
    const stream = s.stream({ idle: 1_000, timeout: 100 })
    for (let item = 0; item < 20; item++) {
      s.items([item])
      await s.clock.advance(900)
      expect(await stream.next()).toMatchObject({ value: item })
    }
    expect(s.of('cancel')).toEqual([])
  })

  test('a quiet stream whose reader waits is not idle, and is after it got its item', async () => {
    const stream = s.stream({ idle: 1_000, timeout: 50_000 })
    const next = stream.next()
    await s.clock.advance(20_000)
    s.items([1])
    await next
    await s.clock.advance(999)
    expect(s.of('cancel')).toEqual([])
    await s.clock.advance(1)
    expect(s.of('cancel')).toHaveLength(1)
  })

  test('a stream that has ended over there may be read at leisure', async () => {
    const stream = s.stream({ idle: 1_000, total: 2_000 })
    s.items([1])
    s.result()
    await s.clock.advance(100_000)
    expect(await stream.next()).toMatchObject({ value: 1 })
    expect(await stream.next()).toMatchObject({ done: true })
  })

  test('the whole has the time that `total` gives it, and its target knows that', async () => {
    const stream = s.stream({ total: 300 })
    expect((s.sent[0] as CallFrame).deadline).toBe(1_300)
    s.items([1, 2])
    await stream.next()
    await s.clock.advance(300)
    const error = await rejection(CallTimeoutError, stream.next())
    expect(error.message).toBe('tail on worker 2 did not end within 300 ms (2 items had arrived)')
    expect(s.of('cancel')).toHaveLength(1)
  })

  test('a stream that never left the primary says so', async () => {
    const stream = s.stream({ timeout: 100 })
    s.evidence.hold({ kind: 'held', id: 1, held: true })
    const next = stream.next()
    next.catch(() => {})
    await s.clock.advance(100)
    expect(await rejection(WorkerUnavailableError, next)).toMatchObject({ sent: 'no', retryable: true })
  })

  test('a stream that left the primary while this process was busy does not say so', async () => {
    const turns: (() => void)[] = []
    s.clock.nextTurn = (run) => void turns.push(run)
    const next = s.stream({ timeout: 100 }).next()
    next.catch(() => {})
    s.evidence.hold({ kind: 'held', id: 1, held: true })
    await s.clock.advance(100)
    expect(await standing(next)).toBe('pending')
    // The timers came first, and right after them what had arrived meanwhile.
    s.evidence.hold({ kind: 'held', id: 1, held: false })
    for (const run of turns) run()
    expect(await rejection(CallTimeoutError, next)).toMatchObject({ sent: 'maybe' })
  })

  test('a stream whose item comes while this process catches up goes on', async () => {
    const turns: (() => void)[] = []
    s.clock.nextTurn = (run) => void turns.push(run)
    const stream = s.stream({ timeout: 100 })
    const next = stream.next()
    s.evidence.hold({ kind: 'held', id: 1, held: true })
    await s.clock.advance(100)
    s.evidence.hold({ kind: 'held', id: 1, held: false })
    s.items(['came'])
    const another = stream.next()
    for (const run of turns) run()
    expect(await next).toEqual({ done: false, value: 'came' })
    expect(await standing(another)).toBe('pending')
    await stream.return?.()
  })

  test('a stream ends in time by timers that fire a little early, as node has them', async () => {
    const after = s.clock.after.bind(s.clock)
    s.clock.after = (ms, run, options) => after(ms - 0.3, run, options)
    const next = s.stream({ timeout: 100 }).next()
    next.catch(() => {})
    await s.clock.advance(100)
    expect(await rejection(CallTimeoutError, next)).toMatchObject({ stream: { rule: 'item', items: 0 } })
  })

  test('an aborted stream is never called unsent: the word that it was sent may be on its way', async () => {
    const controller = new AbortController()
    const next = s.stream({ signal: controller.signal }).next()
    next.catch(() => {})
    s.evidence.hold({ kind: 'held', id: 1, held: true })
    controller.abort()
    expect(await rejection(CallAbortedError, next)).toMatchObject({ sent: 'maybe' })
  })
})

describe('in a method', () => {
  const context = (deadline: number) =>
    new CallContext(
      { caller: { id: 0, incarnation: 0 }, target: 1, method: 'outer', deadline, chain: [[9, 1, 'outer']] },
      s.clock,
    )

  test('it inherits what is left of the deadline, and the chain', async () => {
    const stream = runInContext(context(1_200), () => s.stream({ total: 5_000 }))
    expect(s.sent[0]).toMatchObject({ deadline: 1_200, chain: [[9, 1, 'outer']] })
    await s.clock.advance(200)
    expect((await rejection(CallTimeoutError, stream.next())).timeout).toBe(200)
  })

  test('it ends when the call does that the method serves', async () => {
    const outer = context(10_000)
    const stream = runInContext(outer, () => s.stream())
    const next = stream.next()
    next.catch(() => {})
    outer.abort(new Error('its caller has left'))
    expect(await rejection(CallAbortedError, next)).toMatchObject({ sent: 'maybe' })
    expect(s.of('cancel')).toHaveLength(1)
  })
})

describe('the end of the link', () => {
  test('comes after what has arrived, and no later stream is sent', async () => {
    const stream = s.stream()
    const waiting = s.stream().next()
    waiting.catch(() => {})
    s.items([1], 1)
    s.streams.close()
    expect(await stream.next()).toMatchObject({ value: 1 })
    expect(await rejection(ClusterClosedError, stream.next())).toMatchObject({ sent: 'yes' })
    expect(await rejection(ClusterClosedError, waiting)).toMatchObject({ sent: 'maybe' })
    await rejection(ClusterClosedError, s.stream().next())
    expect(s.of('call')).toHaveLength(2)
  })

  test('the death of the worker comes after what has arrived', async () => {
    const stream = s.stream()
    s.items([1])
    s.failure(
      new WorkerGoneError({
        target: 2,
        method: 'tail',
        id: 2,
        incarnation: 5,
        signal: 'SIGKILL',
        sent: 'yes',
      }) as never,
    )
    expect(await stream.next()).toMatchObject({ value: 1 })
    expect(await rejection(WorkerGoneError, stream.next())).toMatchObject({ signal: 'SIGKILL', sent: 'yes' })
  })
})

describe('the room of many streams', () => {
  const rooms = (): number[] => (s.of('call') as CallFrame[]).map(({ stream }) => stream?.bytes ?? 0)

  test('comes to no more than a link may hold, and a little for each', () => {
    s = open({ streamBytes: 8_000, linkBytes: 20_000 })
    for (let n = 0; n < 300; n++) s.stream()
    // As much as one may have, or half of what is left.
    expect(rooms().slice(0, 4)).toEqual([8_000, 6_000, 3_000, 1_500])
    expect(rooms().reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(20_000 + 300 * 1_024)
  })

  test('is there again for the next when one ends', () => {
    s = open({ streamBytes: 8_000, linkBytes: 20_000 })
    const first = s.stream()
    s.stream()
    void first.return()
    s.stream()
    expect(rooms()).toEqual([8_000, 6_000, 7_000])
  })
})
