import { beforeEach, describe, expect, test } from 'vitest'
import { channel, type UntypedContract } from '../../../src/protocol/contract.js'
import { toRecord } from '../../../src/protocol/error-record.js'
import {
  CallAbortedError,
  CallTimeoutError,
  ClusterClosedError,
  MailboxFullError,
  NoSuchMethodError,
  NoSuchWorkerError,
  PayloadError,
  RemoteError,
  UsageError,
  ValidationError,
  WorkerGoneError,
  WorkerUnavailableError,
} from '../../../src/protocol/errors.js'
import type { CallFrame, MemberRecord, MessagingUpFrame, PublishFrame } from '../../../src/protocol/frames.js'
import type { ProcessRef } from '../../../src/protocol/ids.js'
import type { MethodTable } from '../../../src/protocol/method-table.js'
import { decodePayload, encodePayload } from '../../../src/protocol/payload.js'
import { InlineText } from '../../../src/protocol/payload-forms.js'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from '../../../src/runtime/limits.js'
import { CallContext, runInContext } from '../../../src/runtime/messaging/call-context.js'
import { Members } from '../../../src/runtime/messaging/members.js'
import { Messenger } from '../../../src/runtime/messaging/messenger.js'
import { registerMethods } from '../../../src/runtime/messaging/method-registry.js'
import { Peer } from '../../../src/runtime/messaging/peer.js'
import { FakeClock } from '../../support/fake-clock.js'
import { FakeLogger } from '../../support/fake-logger.js'
import { rejection, standing, thrown } from '../../support/outcome.js'
import { numberSchema, slowSchema } from '../../support/schemas.js'

class TestMessenger extends Messenger<UntypedContract> {}

/** The messaging of one process, worker 1 unless said otherwise, whose router is the test. */
function open({
  self = { id: 1, incarnation: 10 } as ProcessRef,
  methods = {},
  primaryMethods = {} as MethodTable,
} = {}) {
  const clock = new FakeClock(1_000)
  const logger = new FakeLogger()
  const sent: MessagingUpFrame[] = []
  const link = {
    full: false,
    isFull: () => link.full,
    flushed: Promise.resolve(),
    send: (frame: MessagingUpFrame) => void sent.push(frame),
    castFlushed: () => link.flushed,
    publishFlushed: () => link.flushed,
  }
  const peer = new Peer({
    self,
    link,
    methods: registerMethods(methods, 'methods'),
    concurrency: Number.POSITIVE_INFINITY,
    limits: { ...DEFAULT_LIMITS, link: 16, payload: 10_000 },
    timeouts: DEFAULT_TIMEOUTS,
    clock,
    logger,
  })
  const members = new Members()
  const worker = (id: number, fields: Partial<MemberRecord> = {}): void =>
    members.apply({
      member: {
        id,
        incarnation: id * 10,
        pid: 1,
        state: 'ready',
        current: true,
        calls: 0,
        connections: 0,
        methods: {},
        ...fields,
      },
      gone: false,
      removed: false,
    })
  let refused: Error | undefined
  const cluster = new TestMessenger({
    peer,
    members,
    timeouts: DEFAULT_TIMEOUTS,
    primaryMethods,
    refusal: () => refused as never,
  })
  const calls = (): CallFrame[] => sent.filter((frame) => frame.kind === 'call')
  const lastCall = (): CallFrame & { id: number } => calls().at(-1) as CallFrame & { id: number }
  const answer = (value: unknown, id = lastCall().id): void =>
    peer.receive({
      kind: 'result',
      id,
      payload: encodePayload(value, { opaque: true, limit: 10_000, root: 'result' }),
    })
  const refuse = (error: Error): void => {
    refused = error
  }
  return { clock, logger, sent, link, peer, members, worker, cluster, calls, lastCall, answer, refuse }
}

let p: ReturnType<typeof open>
beforeEach(() => {
  p = open()
})

describe('a call', () => {
  test('is sent with its arguments, its deadline and a number of its own', () => {
    void p.cluster.call(2, 'resize', ['a.png', 200])
    void p.cluster.call('any', 'resize', [])
    void p.cluster.call('primary', 'status', [])
    expect(p.calls().map(({ to, id, method, deadline }) => ({ to, id, method, deadline }))).toEqual([
      { to: 2, id: 1, method: 'resize', deadline: 6_000 },
      { to: 'any', id: 2, method: 'resize', deadline: 6_000 },
      { to: 0, id: 3, method: 'status', deadline: 6_000 },
    ])
    expect(decodePayload(p.calls()[0]?.payload, 'args')).toEqual(['a.png', 200])
  })

  test('resolves with the value, and leaves no timer', async () => {
    const call = p.cluster.call(2, 'resize', [])
    p.answer({ width: 200, at: new Date(5) })
    expect(await call).toEqual({ width: 200, at: new Date(5) })
    expect(p.clock.armed).toBe(0)
  })

  test('goes opaque between workers, and inline where the primary is one end', () => {
    void p.cluster.call(2, 'm', [])
    void p.cluster.call('any', 'm', [])
    void p.cluster.call('primary', 'm', [])
    const primary = open({ self: { id: 0, incarnation: 0 } })
    void primary.cluster.call(2, 'm', [])
    expect([...p.calls(), ...primary.calls()].map(({ payload }) => typeof payload)).toEqual([
      'string',
      'string',
      'object',
      'object',
    ])
  })

  test('answers are told apart by their numbers', async () => {
    const [one, two] = [p.cluster.call(2, 'm', []), p.cluster.call(2, 'm', [])]
    p.answer('second', 2)
    p.answer('first', 1)
    expect([await one, await two]).toEqual(['first', 'second'])
  })

  test('a second answer, and one to nothing, are dropped and counted', async () => {
    const call = p.cluster.call(2, 'm', [])
    p.answer('first')
    p.answer('second', 1)
    p.answer('x', 99)
    expect(await call).toBe('first')
    expect(p.peer.dropped).toBe(2)
  })

  test('rejects with what the other side says, rebuilt in the stack of the caller', async () => {
    async function theProgram(): Promise<unknown> {
      return await p.cluster.call(2, 'resize', [])
    }
    const failed = rejection(RemoteError, theProgram())
    const thrownThere = { name: 'TypeError', message: 'no', code: 'E', stack: 'TypeError: no\n    at x' }
    const remote = new RemoteError({
      target: 2,
      method: 'resize',
      from: { id: 2, incarnation: 20 },
      thrown: thrownThere,
    })
    p.peer.receive({ kind: 'failure', id: 1, error: JSON.parse(JSON.stringify(toRecord(remote))) })
    const error = await failed
    expect(error).toMatchObject({ target: 2, method: 'resize', remote: thrownThere, sent: 'yes' })
    expect(error.stack).toContain('theProgram')
    expect(error.stack).not.toMatch(/src\/runtime/)
  })

  test('an answer that cannot be read rejects, and says that the method ran', async () => {
    async function theProgram(): Promise<unknown> {
      return await p.cluster.call(2, 'resize', [])
    }
    const failed = rejection(PayloadError, theProgram())
    p.peer.receive({ kind: 'result', id: 1, payload: '{"plain":{"__proto__":1}}' })
    const error = await failed
    expect(error).toMatchObject({ path: 'result', target: 2, method: 'resize', sent: 'yes' })
    expect(error.stack).toContain('theProgram')
  })
})

describe('the deadline of a call', () => {
  test('ends it with a CallTimeoutError, takes it back, and a late answer finds nothing', async () => {
    async function theProgram(): Promise<unknown> {
      return await p.cluster.call(2, 'resize', [], { timeout: 100 })
    }
    const failed = rejection(CallTimeoutError, theProgram())
    await p.clock.advance(99)
    expect(p.sent).toHaveLength(1)
    await p.clock.advance(1)
    const error = await failed
    expect(error).toMatchObject({ timeout: 100, target: 2, method: 'resize', sent: 'maybe', retryable: false })
    expect(error.stack).toContain('theProgram')
    expect(p.sent.at(-1)).toEqual({ kind: 'cancel', id: 1 })
    p.answer('late')
    expect(p.peer.dropped).toBe(1)
  })

  test('is in whole milliseconds, not sooner than asked, and told as it was asked', async () => {
    await p.clock.advance(0.4)
    const failed = rejection(CallTimeoutError, p.cluster.call(2, 'resize', [], { timeout: 100 }))
    expect(p.lastCall().deadline).toBe(1_101)
    await p.clock.advance(100.5)
    expect(p.sent).toHaveLength(1)
    await p.clock.advance(0.1)
    expect(await failed).toMatchObject({ timeout: 100 })
  })

  test("is the caller's own, else the method's, else the general one", () => {
    p.worker(2, { methods: { charge: { timeout: 300 } } })
    void p.cluster.call(2, 'charge', [], { timeout: 50 })
    void p.cluster.call(2, 'charge', [])
    void p.cluster.call('any', 'charge', [])
    void p.cluster.call(2, 'other', [])
    expect(p.calls().map(({ deadline = 0 }) => deadline - 1_000)).toEqual([50, 300, 300, 5_000])
  })

  test("of the primary's methods is known, too", () => {
    p = open({ primaryMethods: { report: { timeout: 200 } } })
    void p.cluster.call('primary', 'report', [])
    expect(p.lastCall().deadline).toBe(1_200)
  })

  test('of a call that still waits for its worker says that it was never sent', async () => {
    const failed = rejection(WorkerUnavailableError, p.cluster.call(2, 'resize', [], { timeout: 100 }))
    await p.clock.advance(40)
    p.peer.receive({ kind: 'held', id: 1, held: true })
    await p.clock.advance(60)
    expect(await failed).toMatchObject({
      sent: 'no',
      retryable: true,
      message: expect.stringContaining('waited 60 ms'),
    })
  })

  test('of a call that has left for its worker meanwhile does not', async () => {
    const failed = rejection(CallTimeoutError, p.cluster.call(2, 'resize', [], { timeout: 100 }))
    p.peer.receive({ kind: 'held', id: 1, held: true })
    p.peer.receive({ kind: 'held', id: 1, held: false })
    await p.clock.advance(100)
    expect((await failed).sent).toBe('maybe')
  })

  test('of a process that was busy when it passed says nothing of what it had been told long before', async () => {
    const failed = rejection(CallTimeoutError, p.cluster.call(2, 'resize', [], { timeout: 100 }))
    p.peer.receive({ kind: 'held', id: 1, held: true })
    // Its word that the call has left may be in the pipe.
    p.clock.jump(151)
    await p.clock.advance(0)
    expect(await failed).toMatchObject({ sent: 'maybe', stage: { kind: 'unknown' } })
  })

  test('of a process whose timers are as late as timers are believes what it was told', async () => {
    const failed = rejection(WorkerUnavailableError, p.cluster.call(2, 'resize', [], { timeout: 100 }))
    p.peer.receive({ kind: 'held', id: 1, held: true })
    p.clock.jump(150)
    await p.clock.advance(0)
    expect((await failed).sent).toBe('no')
  })
})

describe('an abort signal', () => {
  test('ends the call, takes it back, and is the cause', async () => {
    const controller = new AbortController()
    const reason = new Error('user went away')
    const failed = rejection(CallAbortedError, p.cluster.call(2, 'm', [], { signal: controller.signal }))
    controller.abort(reason)
    expect(await failed).toMatchObject({ name: 'AbortError', cause: reason, sent: 'maybe', target: 2, method: 'm' })
    expect(p.sent.at(-1)).toEqual({ kind: 'cancel', id: 1 })
    expect(p.clock.armed).toBe(0)
  })

  test('that has fired already sends nothing', async () => {
    const error = await rejection(CallAbortedError, p.cluster.call(2, 'm', [], { signal: AbortSignal.abort('x') }))
    expect(error).toMatchObject({ sent: 'no', cause: 'x' })
    expect(p.sent).toEqual([])
  })

  test('after the answer changes nothing', async () => {
    const controller = new AbortController()
    const call = p.cluster.call(2, 'm', [], { signal: controller.signal })
    p.answer(1)
    await call
    controller.abort()
    expect(p.sent).toHaveLength(1)
  })

  test('may be shared by any number of calls', async () => {
    const warnings: Error[] = []
    const listener = (warning: Error): void => void warnings.push(warning)
    process.on('warning', listener)
    const controller = new AbortController()
    const calls = Array.from({ length: 50 }, () =>
      rejection(CallAbortedError, p.cluster.call(2, 'm', [], { signal: controller.signal })),
    )
    controller.abort()
    await Promise.all(calls)
    await p.clock.settle()
    process.off('warning', listener)
    expect(warnings).toEqual([])
  })
})

describe('a call inside a call', () => {
  const context = (deadline: number): CallContext =>
    new CallContext(
      { caller: { id: 3, incarnation: 30 }, target: 1, method: 'outer', deadline, chain: [[7, 1, 'outer']] },
      p.clock,
    )

  test('gets no more time than is left of the outer one, and carries the chain', () => {
    runInContext(context(1_200), () => {
      void p.cluster.call(2, 'inner', [])
      void p.cluster.call(2, 'inner', [], { timeout: 50 })
    })
    expect(p.calls().map(({ deadline, chain }) => [deadline, chain])).toEqual([
      [1_200, [[7, 1, 'outer']]],
      [1_050, [[7, 1, 'outer']]],
    ])
  })

  test('ends with the outer one', async () => {
    const outer = context(6_000)
    const failed = rejection(
      CallAbortedError,
      runInContext(outer, () => p.cluster.call(2, 'inner', [])),
    )
    outer.abort(new Error('the caller went away'))
    expect((await failed).cause).toEqual(new Error('the caller went away'))
    expect(p.sent.at(-1)).toEqual({ kind: 'cancel', id: 1 })
  })

  test('of an outer one that has been given up is not sent', async () => {
    const outer = context(6_000)
    outer.abort(new Error('x'))
    await rejection(
      CallAbortedError,
      runInContext(outer, () => p.cluster.call(2, 'inner', [])),
    )
    expect(p.sent).toEqual([])
  })

  test('of an outer one that has settled inherits nothing', () => {
    const outer = context(1_200)
    runInContext(outer, () => {
      outer.settle()
      void p.cluster.call(2, 'later', [])
    })
    expect(p.lastCall()).toMatchObject({ deadline: 6_000, chain: undefined })
  })
})

describe('a full link', () => {
  test('refuses what is new at once', async () => {
    p.link.full = true
    const limit = { limit: 16, sent: 'no', retryable: true }
    expect(await rejection(MailboxFullError, p.cluster.call(2, 'm', []))).toMatchObject({ ...limit, target: 2 })
    expect(await rejection(MailboxFullError, p.cluster.cast(2, 'm', []))).toMatchObject(limit)
    expect(await rejection(MailboxFullError, p.cluster.publish(channel('news'), 1))).toMatchObject(limit)
    await rejection(MailboxFullError, p.cluster.publish(channel('news'), 1, { ack: true }))
    expect(p.sent).toEqual([])
  })

  test('takes replies all the same', async () => {
    p = open({ methods: { add: (a: number, b: number) => a + b } })
    p.link.full = true
    p.peer.receive({
      kind: 'invoke',
      route: 5,
      from: { id: 0, incarnation: 0 },
      method: 'add',
      payload: { plain: [1, 2] },
    })
    await p.clock.settle()
    expect(p.sent).toEqual([{ kind: 'result', id: 5, payload: new InlineText('plain', '3') }])
  })
})

describe('the end of the link', () => {
  test('rejects everything that waits, each with its own name and the stack of its caller', async () => {
    async function theProgram(): Promise<unknown> {
      return await p.cluster.call(2, 'resize', [])
    }
    const call = rejection(ClusterClosedError, theProgram())
    const other = rejection(ClusterClosedError, p.cluster.call(3, 'other', []))
    const receipt = rejection(ClusterClosedError, p.cluster.publish(channel('news'), 1, { ack: true }))
    const subscription = p.cluster.subscribe(channel('news'), () => {})
    await p.clock.settle()
    p.peer.close()
    p.peer.close()
    expect(await call).toMatchObject({ target: 2, method: 'resize', sent: 'maybe' })
    expect((await call).stack).toContain('theProgram')
    expect(await other).toMatchObject({ target: 3, method: 'other' })
    await receipt
    await rejection(ClusterClosedError, subscription.active)
    expect(p.clock.armed).toBe(0)
  })

  test('refuses everything after it', async () => {
    p.peer.close()
    const before = p.sent.length
    await rejection(ClusterClosedError, p.cluster.call(2, 'm', []))
    await rejection(ClusterClosedError, p.cluster.cast(2, 'm', []))
    await rejection(ClusterClosedError, p.cluster.publish(channel('news'), 1))
    await rejection(ClusterClosedError, p.cluster.publish(channel('news'), 1, { ack: true }))
    expect(p.sent.length).toBe(before)
  })
})

describe('a cast', () => {
  test('is sent without a number and a deadline, and resolves when it has left', async () => {
    // The primary's own; a worker's are in casts.test.ts.
    p = open({ self: { id: 0, incarnation: 0 } })
    let flush!: () => void
    p.link.flushed = new Promise((resolve) => {
      flush = resolve
    })
    const cast = p.cluster.cast(2, 'note', ['x'])
    expect(await standing(cast)).toBe('pending')
    flush()
    expect(await standing(cast)).toBeUndefined()
    expect(p.sent).toEqual([{ kind: 'call', to: 2, method: 'note', payload: new InlineText('plain', '["x"]') }])
    expect(p.clock.armed).toBe(0)
  })

  test('does not wait for ever for a link that takes nothing', async () => {
    p.link.flushed = new Promise(() => {})
    const failed = rejection(CallTimeoutError, p.cluster.cast(2, 'note', []))
    // Those who begin to wait within a moment share a timer, and nobody's is early.
    await p.clock.advance(DEFAULT_TIMEOUTS.call + 20)
    expect(await failed).toMatchObject({ target: 2, method: 'note', sent: 'maybe' })
  })

  test('that is certain to be lost is refused', async () => {
    p.refuse(new NoSuchWorkerError({ target: 9, method: 'note', reason: 'there is no worker 9' }))
    await rejection(NoSuchWorkerError, p.cluster.cast(9, 'note', []))
    expect(p.sent).toEqual([])
  })

  test('of a method that its target is known not to have is refused', async () => {
    p = open({ primaryMethods: { status: {} } })
    p.worker(2, { methods: { resize: {} } })
    p.worker(3, { state: 'starting' })
    expect(await rejection(NoSuchMethodError, p.cluster.cast(2, 'note', []))).toMatchObject({ known: ['resize'] })
    expect(await rejection(NoSuchMethodError, p.cluster.cast('primary', 'note', []))).toMatchObject({
      known: ['status'],
      target: 'primary',
    })
    await rejection(NoSuchMethodError, p.cluster.cast(2, 'toString', []))
    void p.cluster.cast(3, 'note', [])
    await p.cluster.cast('primary', 'status', [])
    expect(p.sent).toHaveLength(2)
  })
})

describe('callAll', () => {
  test('calls every worker that is ready, and gathers each outcome', async () => {
    p.worker(1)
    p.worker(2)
    p.worker(3, { state: 'starting' })
    p.worker(4, { state: 'draining' })
    const all = p.cluster.callAll('stats', [1])
    await p.clock.settle()
    expect(p.calls().map(({ to }) => to)).toEqual([1, 2])
    p.answer('one', 1)
    const gone = new WorkerGoneError({ target: 2, method: 'stats', id: 2, incarnation: 20, sent: 'maybe' })
    p.peer.receive({ kind: 'failure', id: 2, error: toRecord(gone) })
    expect([...(await all)]).toEqual([
      [1, { status: 'fulfilled', value: 'one' }],
      [2, { status: 'rejected', reason: expect.any(WorkerGoneError) }],
    ])
  })

  test('of nobody is empty', async () => {
    expect((await p.cluster.callAll('stats', [])).size).toBe(0)
  })

  test('of a value that cannot be sent rejects for each, not as a whole', async () => {
    p.worker(1)
    const outcome = await p.cluster.callAll('stats', [() => {}])
    expect(outcome.get(1)).toMatchObject({ status: 'rejected', reason: { code: 'ERR_PAYLOAD' } })
  })
})

describe('a proxy', () => {
  test('calls its target with its options', async () => {
    const call = p.cluster.worker(2, { timeout: 70 }).resize?.('a.png', 200)
    expect(p.lastCall()).toMatchObject({ to: 2, method: 'resize', deadline: 1_070 })
    p.answer('done')
    expect(await call).toBe('done')
    void p.cluster.any().resize?.()
    void p.cluster.primary().status?.()
    expect(p.calls().map(({ to }) => to)).toEqual([2, 'any', 0])
  })

  test('can be awaited, and has no names that are not remote', async () => {
    const proxy = p.cluster.worker(2)
    expect(await proxy).toBe(proxy)
    for (const name of ['then', 'toString', 'constructor', 'toJSON']) expect(proxy[name]).toBeUndefined()
    expect(p.sent).toEqual([])
  })

  test('of a wrong id or with a wrong option throws at once', () => {
    expect(() => p.cluster.worker('any' as never)).toThrow('Expected `id` to be a worker id (1, 2, …), got "any"')
    expect(() => p.cluster.worker(2, { timeout: -1 })).toThrow(
      /^Expected `options.timeout` to be a number of milliseconds/,
    )
  })
})

describe('publish', () => {
  const news = channel<unknown>('news')
  const lastPublish = (): PublishFrame => p.sent.findLast((frame) => frame.kind === 'publish') as PublishFrame

  test('is sent once, and inline from the primary', async () => {
    p = open({ self: { id: 0, incarnation: 0 } })
    await p.cluster.publish(news, { a: 1 })
    await p.cluster.publish(news, undefined, { self: false })
    expect(p.sent).toEqual([
      { kind: 'publish', channel: 'news', payload: new InlineText('plain', '{"a":1}'), self: true },
      { kind: 'publish', channel: 'news', payload: undefined, self: false },
    ])
  })

  test('with ack resolves with the receipt', async () => {
    const published = p.cluster.publish(news, 1, { ack: true, timeout: 300 })
    await p.clock.settle()
    expect(lastPublish()).toMatchObject({ ref: 1, deadline: 1_300 })
    const error = new RemoteError({ from: { id: 2, incarnation: 20 }, thrown: { name: 'Error', message: 'no' } })
    p.peer.receive({
      kind: 'receipt',
      ref: 1,
      acknowledged: [{ id: 0, incarnation: 0 }],
      failed: [{ id: 2, incarnation: 20, error: toRecord(error) }],
    })
    const receipt = await published
    expect(receipt.acknowledged).toEqual([{ id: 0, incarnation: 0 }])
    expect(receipt.failed).toMatchObject([{ id: 2, incarnation: 20 }])
    expect(receipt.failed[0]?.error).toBeInstanceOf(RemoteError)
    expect(p.clock.armed).toBe(0)
  })

  test('with ack has a deadline of its own, a second after the router, which then has stopped', async () => {
    const failed = rejection(CallTimeoutError, p.cluster.publish(news, 1, { ack: true }))
    await p.clock.advance(DEFAULT_TIMEOUTS.ack + 999)
    expect(await standing(failed)).toBe('pending')
    await p.clock.advance(1)
    expect(await failed).toMatchObject({ target: 'primary', method: 'the acknowledgement of news', timeout: 5_000 })
  })

  test('is open for as many acknowledgements at once as a link may hold', async () => {
    for (let index = 0; index < 16; index++) p.cluster.publish(news, 1, { ack: true }).catch(() => {})
    await p.clock.settle()
    await rejection(MailboxFullError, p.cluster.publish(news, 1, { ack: true }))
    p.peer.close()
  })

  test("is validated by the channel's schema, whose output is sent", async () => {
    const numbers = channel('numbers', numberSchema)
    await p.cluster.publish(numbers, '5' as never)
    expect(lastPublish().payload).toBe('{"plain":5}')
    expect(await rejection(ValidationError, p.cluster.publish(numbers, 'x' as never))).toMatchObject({
      message: expect.stringContaining('a value for channel numbers'),
    })
    await rejection(ValidationError, p.cluster.publish(channel('slow', slowSchema), 5))
    expect(p.sent).toHaveLength(1)
  })

  test('of a value that cannot be sent names its place', async () => {
    const error = await rejection(PayloadError, p.cluster.publish(news, { run() {} }))
    expect(error).toMatchObject({ path: 'value.run', sent: 'no', method: 'publish to news' })
  })
})

describe('subscribe', () => {
  test('hands over what arrives', async () => {
    const heard: unknown[] = []
    const subscription = p.cluster.subscribe(channel('news'), (value) => heard.push(value))
    p.peer.receive({ kind: 'subscribed', ref: 1 })
    await subscription.active
    p.peer.receive({ kind: 'message', channel: 'news', payload: '{"plain":1}' })
    subscription.unsubscribe()
    p.peer.receive({ kind: 'message', channel: 'news', payload: '{"plain":2}' })
    expect(heard).toEqual([1])
    p.peer.receive({ kind: 'subscribed', ref: 1 })
    expect(p.peer.dropped).toBe(1)
  })
})

describe('wrong arguments are told apart by what they say', () => {
  const call = (...args: unknown[]): Promise<unknown> =>
    (p.cluster.call as (...args: unknown[]) => Promise<unknown>).apply(p.cluster, args)

  test.each<[string, () => Promise<unknown>, string]>([
    ['a target', () => call(0, 'm', []), "Expected `target` to be a worker id (1, 2, …), 'any' or 'primary', got 0"],
    [
      'a target',
      () => call('2', 'm', []),
      `Expected \`target\` to be a worker id (1, 2, …), 'any' or 'primary', got "2"`,
    ],
    [
      'a method',
      () => call(2, undefined, []),
      'Expected `method` to be the name of a method, of at most 256 characters, got undefined',
    ],
    [
      'arguments',
      () => call(2, 'resize', 'a.png'),
      'Expected `args` of resize to be an array of its arguments, got "a.png". Write call(target, \'resize\', [...])',
    ],
    [
      'no arguments',
      () => call(2, 'resize'),
      "Expected `args` of resize to be an array of its arguments, got undefined. Write call(target, 'resize', [...])",
    ],
    ['options', () => call(2, 'm', [], 5), 'Expected `options` to be an object, got 5'],
    [
      'a timeout',
      () => call(2, 'm', [], { timeout: '5' }),
      'Expected `options.timeout` to be a number of milliseconds between 1 and 2147483647, got "5"',
    ],
    [
      'a signal',
      () => call(2, 'm', [], { signal: {} }),
      'Expected `options.signal` to be an AbortSignal, got an object',
    ],
    [
      'an option',
      () => call(2, 'm', [], { timout: 5 }),
      'Unknown option `options.timout`. Known are `options.timeout`, `options.signal`, `options.idempotencyKey`',
    ],
    [
      'a channel',
      () => p.cluster.publish('news' as never, 1 as never),
      'Expected `channel` to be what channel(name) returned, got "news"',
    ],
    [
      'an option of publish',
      () => p.cluster.publish(channel('news'), 1, { acknowledge: true } as never),
      'Unknown option `options.acknowledge`. Known are `options.self`, `options.ack`, `options.timeout`',
    ],
    [
      'ack',
      () => p.cluster.publish(channel('news'), 1, { ack: 1 } as never),
      'Expected `options.ack` to be true or false, got 1',
    ],
  ])('%s', async (_, run, message) => {
    expect((await rejection(UsageError, run())).message).toBe(message)
    expect(p.sent).toEqual([])
  })

  test('a handler', () => {
    const error = thrown(UsageError, () => p.cluster.subscribe(channel('news'), undefined as never))
    expect(error.message).toBe('Expected `handler` to be a function, got undefined')
  })

  test('a value that cannot be sent names its place and the call', async () => {
    const error = await rejection(PayloadError, p.cluster.call(2, 'resize', [{ rows: [{ run() {} }] }]))
    expect(error).toMatchObject({ path: 'args[0].rows[0].run', target: 2, method: 'resize', sent: 'no' })
    expect(error.message).toContain('(resize on worker 2)')
  })
})
