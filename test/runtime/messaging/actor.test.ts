import { describe, expect, test } from 'vitest'
import { method } from '../../../src/protocol/contract.js'
import { declareError } from '../../../src/protocol/declared-errors.js'
import { fromRecord } from '../../../src/protocol/error-record.js'
import {
  CallAbortedError,
  CallCycleError,
  MailboxFullError,
  NoSuchMethodError,
  PayloadError,
  RemoteError,
  type TroupeError,
  ValidationError,
} from '../../../src/protocol/errors.js'
import type { FailureFrame, InvokeFrame, ProgressFrame, ResultFrame } from '../../../src/protocol/frames.js'
import { decodePayload, encodePayload } from '../../../src/protocol/payload.js'
import { Actor, type ActorOptions } from '../../../src/runtime/messaging/actor.js'
import { currentCall } from '../../../src/runtime/messaging/call-context.js'
import { registerMethods } from '../../../src/runtime/messaging/method-registry.js'
import { FakeClock } from '../../support/fake-clock.js'
import { FakeLogger } from '../../support/fake-logger.js'
import { standing } from '../../support/outcome.js'
import { numberSchema, slowSchema } from '../../support/schemas.js'

/** A promise that a test settles. */
function gate<T = void>() {
  let open!: (value: T) => void
  const promise = new Promise<T>((resolve) => {
    open = resolve
  })
  return { promise, open }
}

const LIMITS = { mailbox: 1_024, answers: 2, answerBytes: 1_000, payload: 1_000_000 }

type StartOptions = Partial<Omit<ActorOptions, 'limits'>> & { readonly limits?: Partial<typeof LIMITS> }

function start(methods: object, { limits, ...options }: StartOptions = {}) {
  const clock = new FakeClock()
  const logger = new FakeLogger()
  const replies: (ResultFrame | FailureFrame)[] = []
  const told: ProgressFrame[] = []
  const actor = new Actor({
    self: { id: 2, incarnation: 5 },
    methods: registerMethods(methods, 'methods'),
    concurrency: Number.POSITIVE_INFINITY,
    limits: { ...LIMITS, ...limits },
    clock,
    logger,
    reply: (frame) => replies.push(frame),
    yield: () => {},
    tell: (frame) => told.push(frame),
    ...options,
  })
  let lastRoute = 0
  const frame = (name: string, args: unknown[] = [], fields: Partial<InvokeFrame> = {}): InvokeFrame => ({
    kind: 'invoke',
    route: ++lastRoute,
    from: { id: 1, incarnation: 3 },
    method: name,
    payload: encodePayload(args, { opaque: true, limit: 1_000_000, root: 'args' }),
    deadline: clock.now() + 500,
    ...fields,
  })
  /** Sends a call and lets run what can; gives its route. */
  const call = async (name: string, args: unknown[] = [], fields: Partial<InvokeFrame> = {}): Promise<number> => {
    const invocation = frame(name, args, fields)
    actor.invoke(invocation)
    await clock.settle()
    return invocation.route ?? 0
  }
  const cast = (name: string, args: unknown[] = []) => call(name, args, { route: undefined, deadline: undefined })
  const values = (): unknown[] =>
    replies.map((reply) => (reply.kind === 'result' ? decodePayload(reply.payload, 'result') : reply.error.code))
  const failure = (): TroupeError => {
    expect(replies).toHaveLength(1)
    return fromRecord(JSON.parse(JSON.stringify((replies[0] as FailureFrame).error)))
  }
  return { actor, clock, logger, replies, told, call, cast, frame, values, failure }
}

describe('a call', () => {
  test('is answered with the value of its method, under its route', async () => {
    const { call, replies, values } = start({ add: (a: number, b: number) => a + b })
    const route = await call('add', [1, 2])
    expect(replies).toEqual([expect.objectContaining({ kind: 'result', id: route })])
    expect(values()).toEqual([3])
  })

  test('is answered when the promise of its method resolves', async () => {
    const { promise, open } = gate<string>()
    const { call, values, clock } = start({ slow: () => promise })
    await call('slow')
    expect(values()).toEqual([])
    open('done')
    await clock.settle()
    expect(values()).toEqual(['done'])
  })

  test('without a value is answered with undefined', async () => {
    const { call, values } = start({ nothing() {} })
    await call('nothing')
    expect(values()).toEqual([undefined])
  })

  test('without arguments runs its method without any', async () => {
    const { call, values } = start({ count: (...args: unknown[]) => args.length })
    await call('count', [], { payload: undefined })
    expect(values()).toEqual([0])
  })

  test('runs its method on the object that it was registered with', async () => {
    const { call, values } = start({
      factor: () => 3,
      times(this: { factor(): number }, n: number) {
        return n * this.factor()
      },
    })
    await call('times', [2])
    expect(values()).toEqual([6])
  })

  test('starts in the turn in which it arrives', () => {
    let started = false
    const { actor, frame } = start({
      go() {
        started = true
      },
    })
    actor.invoke(frame('go'))
    expect(started).toBe(true)
  })

  test('knows who called, and how long it has', async () => {
    const { call, values } = start({
      who: () => ({ ...currentCall().caller, target: currentCall().target, left: currentCall().remaining }),
    })
    await call('who')
    expect(values()).toEqual([{ id: 1, incarnation: 3, target: 2, left: 500 }])
  })

  test('gets its context back inert when the method has settled', async () => {
    const { promise, open } = gate()
    const seen: unknown[] = []
    const { call, clock } = start({
      go() {
        seen.push(currentCall().method)
        void promise.then(() => seen.push(currentCall().method))
      },
    })
    await call('go')
    open()
    await clock.settle()
    expect(seen).toEqual(['go', undefined])
  })
})

describe('answers', () => {
  test.each([
    { what: 'opaque between two workers', self: 2, from: 1, form: 'string' },
    { what: 'inline from a worker to the primary', self: 2, from: 0, form: 'object' },
    { what: 'inline from the primary to a worker', self: 0, from: 1, form: 'object' },
  ])('are $what', async ({ self, from, form }) => {
    const { call, replies } = start({ get: () => ({ a: 1 }) }, { self: { id: self, incarnation: self } })
    await call('get', [], { from: { id: from, incarnation: from } })
    expect(typeof (replies[0] as ResultFrame).payload).toBe(form)
  })
})

test('an answer of the primary to itself is a copy', async () => {
  const state = { a: 1 }
  const { call, values } = start({ get: () => state }, { self: { id: 0, incarnation: 0 } })
  await call('get', [], { from: { id: 0, incarnation: 0 } })
  state.a = 2
  expect(values()).toEqual([{ a: 1 }])
})

describe('a method that throws', () => {
  test('is answered with what it threw: name, message, code, properties, and where', async () => {
    const { call, failure } = start({
      fail() {
        throw Object.assign(new RangeError('too far'), { code: 'E_FAR', limit: 5 })
      },
    })
    await call('fail')
    const error = failure() as RemoteError
    expect(error).toBeInstanceOf(RemoteError)
    expect(error).toMatchObject({ target: 2, method: 'fail', sent: 'yes', from: { id: 2, incarnation: 5 } })
    expect(error.remote).toMatchObject({
      name: 'RangeError',
      message: 'too far',
      code: 'E_FAR',
      properties: { limit: 5 },
    })
    expect(error.remote.stack).toContain('actor.test.ts')
  })

  test('sends a stack without lines of the library', async () => {
    const { call, failure } = start({
      async fail() {
        await Promise.resolve()
        throw new Error('x')
      },
    })
    await call('fail')
    expect((failure() as RemoteError).remote.stack).not.toMatch(/src\/runtime/)
  })

  test.each<[string, unknown, string]>([
    ['a text', 'just text', 'just text'],
    ['null', null, 'null'],
    ['undefined', undefined, 'undefined'],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
  ])('%s, is answered all the same', async (_, value, message) => {
    const { call, failure } = start({
      fail() {
        throw value
      },
    })
    await call('fail')
    expect((failure() as RemoteError).remote.message).toBe(message)
  })

  test('rejecting is throwing', async () => {
    const { call, failure } = start({ fail: () => Promise.reject(new Error('later')) })
    await call('fail')
    expect((failure() as RemoteError).remote.message).toBe('later')
  })

  test('one of our own errors is still what it threw, and not about this call', async () => {
    const { call, failure } = start({
      fail() {
        throw new MailboxFullError({ target: 3, method: 'other', limit: 1, queue: 'mailbox' })
      },
    })
    await call('fail')
    const error = failure() as RemoteError
    expect(error).toBeInstanceOf(RemoteError)
    expect(error.remote).toMatchObject({ name: 'MailboxFullError', code: 'ERR_MAILBOX_FULL' })
  })
})

describe('a call is refused', () => {
  test.each(['missing', 'constructor', 'toString', '__proto__', 'hasOwnProperty'])('for a method %s', async (name) => {
    const { call, failure } = start({ resize() {}, tail() {} })
    await call(name)
    expect(failure()).toBeInstanceOf(NoSuchMethodError)
    expect(failure()).toMatchObject({ sent: 'no', method: name, known: ['resize', 'tail'] })
  })

  test('by silence when its deadline has passed before it came: the caller knows the time too', async () => {
    let ran = false
    const { call, replies, clock } = start({
      go() {
        ran = true
      },
    })
    await call('go', [], { deadline: clock.now() })
    expect(ran).toBe(false)
    expect(replies).toEqual([])
  })

  test('when the mailbox is full', async () => {
    const { call, replies } = start({ wait: () => new Promise(() => {}) }, { limits: { mailbox: 2 } })
    for (let index = 0; index < 3; index++) await call('wait')
    expect(replies).toHaveLength(1)
    expect(fromRecord((replies[0] as FailureFrame).error)).toMatchObject({
      code: 'ERR_MAILBOX_FULL',
      limit: 2,
      sent: 'no',
      retryable: true,
    })
  })

  test('when its chain is longer than 32', async () => {
    const chain = (length: number) => Array.from({ length }, (_, index) => [index + 100, 1, 'm'] as const)
    const { call, replies } = start({ go: () => 'ran' })
    await call('go', [], { chain: chain(31) })
    expect(replies[0]?.kind).toBe('result')
    await call('go', [], { chain: chain(32) })
    expect(fromRecord((replies[1] as FailureFrame).error)).toBeInstanceOf(CallCycleError)
  })

  test('when it could only wait for itself, and prints the cycle', async () => {
    const { call, replies } = start({ a: () => new Promise(() => {}) }, { concurrency: 1 })
    const outer = await call('a')
    await call('a', [], {
      chain: [
        [outer, 2, 'a'],
        [77, 1, 'b'],
      ],
    })
    const error = fromRecord((replies[0] as FailureFrame).error)
    expect(error).toBeInstanceOf(CallCycleError)
    expect(error).toMatchObject({ sent: 'no', cycle: ['worker 2.a', 'worker 1.b', 'worker 2.a'] })
  })

  test('when its arguments arrive in a form that is refused', async () => {
    const { call, failure } = start({ go: () => 'ran' })
    await call('go', [], { payload: '{"plain":{"__proto__":1}}' })
    expect(failure()).toBeInstanceOf(PayloadError)
    expect(failure()).toMatchObject({ path: 'args', sent: 'no', method: 'go', target: 2 })
  })

  test('and a refused call leaves its place free', async () => {
    const { call, values } = start({ go: () => 'ran' }, { limits: { mailbox: 1 } })
    await call('go', [], { payload: '{' })
    await call('missing')
    await call('go')
    expect(values()).toEqual(['ERR_PAYLOAD', 'ERR_NO_SUCH_METHOD', 'ran'])
  })
})

describe('a value that cannot be sent', () => {
  test('is answered with the place in the result, and that the method ran', async () => {
    const { call, failure } = start({ bad: () => ({ rows: [{ run() {} }] }) })
    await call('bad')
    expect(failure()).toBeInstanceOf(PayloadError)
    expect(failure()).toMatchObject({ path: 'result.rows[0].run', sent: 'yes', method: 'bad' })
  })

  test('is one that is too large, too', async () => {
    const { call, failure } = start({ big: () => 'x'.repeat(2_000) }, { limits: { payload: 1_000 } })
    await call('big')
    expect(failure()).toMatchObject({ code: 'ERR_PAYLOAD', path: 'result', sent: 'yes' })
  })
})

describe('schemas', () => {
  test("the input's output is the first argument", async () => {
    const { call, values } = start({ half: method({ input: slowSchema }, (n: number, by: number) => n / by) })
    await call('half', ['8', 2])
    expect(values()).toEqual([4])
  })

  test('an input that is refused never reaches the method', async () => {
    let ran = false
    const { call, failure } = start({
      half: method({ input: numberSchema }, (_: number) => {
        ran = true
      }),
    })
    await call('half', ['x'])
    expect(failure()).toBeInstanceOf(ValidationError)
    expect(failure()).toMatchObject({ sent: 'no', message: expect.stringContaining('the argument of half') })
    expect(ran).toBe(false)
  })

  test("the output's output is the result", async () => {
    const { call, values } = start({ get: method({ output: numberSchema }, () => '7' as unknown as number) })
    await call('get')
    expect(values()).toEqual([7])
  })

  test('an output that is refused says that the method ran', async () => {
    const { call, failure } = start({ get: method({ output: numberSchema }, () => 'x' as unknown as number) })
    await call('get')
    expect(failure()).toMatchObject({ code: 'ERR_VALIDATION', sent: 'yes' })
  })

  test('a schema that throws is an error of the method', async () => {
    const broken = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate(): never {
          throw new TypeError('bug in the schema')
        },
      },
    }
    const { call, failure } = start({ get: method({ input: broken }, (_: unknown) => {}) })
    await call('get', [1])
    expect((failure() as RemoteError).remote).toMatchObject({ name: 'TypeError', message: 'bug in the schema' })
  })
})

describe('one at a time', () => {
  test('a call that waits starts when the one before has ended', async () => {
    const gates = [gate(), gate()]
    const log: string[] = []
    const { call, clock } = start(
      {
        async go(index: number) {
          log.push(`start ${index}`)
          await gates[index]?.promise
          log.push(`end ${index}`)
        },
      },
      { concurrency: 1 },
    )
    await call('go', [0])
    await call('go', [1])
    expect(log).toEqual(['start 0'])
    gates[0]?.open()
    await clock.settle()
    expect(log).toEqual(['start 0', 'end 0', 'start 1'])
  })

  test('a call whose deadline passes while it waits is never started, and not answered', async () => {
    const first = gate()
    const ran: number[] = []
    const { call, clock, replies } = start(
      {
        async go(index: number) {
          ran.push(index)
          if (index === 0) await first.promise
        },
      },
      { concurrency: 1 },
    )
    await call('go', [0], { deadline: clock.now() + 10_000 })
    await call('go', [1], { deadline: clock.now() + 50 })
    await call('go', [2], { deadline: clock.now() + 10_000 })
    await clock.advance(50)
    first.open()
    await clock.settle()
    expect(ran).toEqual([0, 2])
    expect(replies).toHaveLength(2)
  })

  test('a serial method waits for itself alone', async () => {
    const log: string[] = []
    const never = new Promise<void>(() => {})
    const { call } = start({
      serial: method({ concurrency: 1 }, async (index: number) => {
        log.push(`serial ${index}`)
        await never
      }),
      free: () => log.push('free'),
    })
    await call('serial', [0])
    await call('serial', [1])
    await call('free')
    expect(log).toEqual(['serial 0', 'free'])
  })
})

describe('a cancel', () => {
  test('fires the signal of the method, with the reason', async () => {
    const { call, actor } = start({
      wait: () =>
        new Promise((_, reject) => {
          currentCall().signal.addEventListener('abort', () => reject(currentCall().signal.reason))
        }),
    })
    let reason: unknown
    const { actor: other, call: callOther } = start({
      wait: () => {
        const { signal } = currentCall()
        signal.addEventListener('abort', () => {
          reason = signal.reason
        })
        return new Promise(() => {})
      },
    })
    actor.cancel(await call('wait'))
    other.cancel(await callOther('wait'))
    expect(reason).toBeInstanceOf(CallAbortedError)
    expect(reason).toMatchObject({ method: 'wait', target: 2 })
  })

  test('leaves a method that runs its place until it settles: serial stays serial', async () => {
    const first = gate()
    const { call, actor, clock, values, replies } = start(
      { hang: () => first.promise, go: () => 'ran' },
      { concurrency: 1, limits: { mailbox: 2 } },
    )
    actor.cancel(await call('hang'))
    await call('go')
    expect(replies).toEqual([])
    first.open()
    await clock.settle()
    expect(values()).toEqual(['ran'])
  })

  test('takes a call that waits out of the queue, unstarted', async () => {
    const first = gate()
    const ran: number[] = []
    const { call, actor, clock } = start(
      {
        async go(index: number) {
          ran.push(index)
          await first.promise
        },
      },
      { concurrency: 1 },
    )
    await call('go', [0])
    actor.cancel(await call('go', [1]))
    first.open()
    await clock.settle()
    expect(ran).toEqual([0])
    expect(await standing(actor.idle())).toBeUndefined()
  })

  test('of a call whose result comes later sends no result', async () => {
    const late = gate<string>()
    const { call, actor, clock, replies } = start({ slow: () => late.promise })
    actor.cancel(await call('slow'))
    late.open('too late')
    await clock.settle()
    expect(replies).toEqual([])
  })

  test('of a call that has ended, or never was, changes nothing', async () => {
    const { call, actor, values } = start({ go: () => 'ran' })
    actor.cancel(await call('go'))
    actor.cancel(99)
    await call('go')
    expect(values()).toEqual(['ran', 'ran'])
  })
})

describe('a cast', () => {
  test('runs its method and is not answered', async () => {
    const seen: unknown[] = []
    const { cast, replies } = start({ note: (text: string) => seen.push(text) })
    await cast('note', ['hello'])
    expect(seen).toEqual(['hello'])
    expect(replies).toEqual([])
  })

  test('that throws is logged where it ran', async () => {
    const { cast, logger, replies } = start({
      note() {
        throw new Error('no')
      },
    })
    await cast('note')
    expect(logger.lines).toEqual(['error: the cast note from worker 1 threw: no'])
    expect(replies).toEqual([])
  })

  test('that is refused is logged where it was', async () => {
    const { cast, logger } = start({})
    await cast('note')
    expect(logger.lines).toEqual([
      'warning: the cast note from worker 1 was dropped: worker 2 has no method "note". It has no methods at all',
    ])
  })

  test('a storm of refused casts is a line or two', async () => {
    const { cast, clock, logger } = start({})
    for (let count = 0; count < 100; count++) await cast('note')
    await clock.advance(1_000)
    expect(logger.lines).toHaveLength(2)
    expect(logger.lines[1]).toMatch(/and 98 more like it/)
  })

  test('whose arguments are refused is logged', async () => {
    const { call, logger } = start({ note() {} })
    await call('note', [], { route: undefined, deadline: undefined, payload: '{}' })
    expect(logger.lines).toEqual([expect.stringMatching(/^error: the cast note from worker 1 failed: args arrived/)])
  })

  test('may return what cannot be sent', async () => {
    const { cast, logger } = start({ note: () => () => {} })
    await cast('note')
    expect(logger.lines).toEqual([])
  })

  test('counts in the mailbox', async () => {
    const { cast, logger } = start({ wait: () => new Promise(() => {}) }, { limits: { mailbox: 1 } })
    await cast('wait')
    await cast('wait')
    expect(logger.lines).toEqual([expect.stringContaining('the mailbox holds 1 messages, its limit')])
  })
})

describe('idle', () => {
  test('is at once when nothing was accepted', async () => {
    expect(await standing(start({}).actor.idle())).toBeUndefined()
  })

  test('is when the last accepted call has ended', async () => {
    const gates = [gate(), gate()]
    const { actor, call, clock } = start({ go: (index: number) => gates[index]?.promise })
    await call('go', [0])
    await call('go', [1])
    const idle = actor.idle()
    gates[0]?.open()
    await clock.settle()
    expect(await standing(idle)).toBe('pending')
    gates[1]?.open()
    await clock.settle()
    expect(await standing(idle)).toBeUndefined()
  })
})

describe('a call that takes long', () => {
  const forLong = { deadline: 60_000 }
  const setUp = () => start({ slow: method({ concurrency: 1 }, () => gate().promise), quick: () => 1 })

  test('is told of at growing ages: how long it has run', async () => {
    const { clock, call, told } = setUp()
    const begun = clock.now()
    const route = await call('slow', [], forLong)
    await clock.advance(2_100)
    const running = (ms: number) => ({ id: route, stage: { kind: 'running', ms } })
    expect(told).toEqual(
      [250, 500, 1_000, 2_000].map((ms) => ({ kind: 'progress', at: begun + ms, lag: 0, calls: [running(ms)] })),
    )
  })

  test('is told of while it waits: where, and behind what', async () => {
    const { clock, call, told } = setUp()
    await call('slow', [], forLong)
    await clock.advance(250)
    const [first, second] = [await call('slow', [], forLong), await call('slow', [], forLong)]
    told.length = 0
    await clock.advance(250)
    const queued = (position: number) => ({ kind: 'queued', position, behind: ['slow'], ms: 250 })
    expect(told.at(-1)?.calls.filter(({ id }) => id >= first)).toEqual([
      { id: first, stage: queued(1) },
      { id: second, stage: queued(2) },
    ])
  })

  test('is told of no more when it has been answered or given up, and no timer stays', async () => {
    const { clock, actor, call, told } = setUp()
    await call('quick', [], forLong)
    actor.cancel(await call('slow', [], forLong))
    await clock.advance(60_000)
    expect(told).toEqual([])
    expect(clock.armed).toBe(0)
  })

  test('and for which nobody waits is not told of', async () => {
    const { clock, cast, told } = setUp()
    await cast('slow')
    await clock.advance(60_000)
    expect(told).toEqual([])
  })
})

/** Whatever is asked of it but what every promise is asked, it throws. */
function stubborn<T extends object>(target: T): T {
  return new Proxy(target, {
    get(_, key) {
      if (key === 'then') return undefined
      throw new Error(`nobody asks for ${String(key)}`)
    },
  })
}

describe('a method that gives back what fights back', () => {
  const thrown = (error: TroupeError): string => (error as RemoteError).remote.message

  test('fails alone, with what was thrown', async () => {
    const { call, failure } = start({ odd: () => stubborn({}) })
    await call('odd')
    expect(failure()).toBeInstanceOf(RemoteError)
    expect(thrown(failure())).toMatch(/^nobody asks for Symbol/)
  })

  test('has its place in the mailbox back', async () => {
    const { call, values } = start({ odd: () => stubborn({}), even: () => 2 }, { limits: { mailbox: 1 } })
    await call('odd')
    await call('even')
    expect(values()).toEqual(['ERR_REMOTE', 2])
  })

  test.each([
    ['synchronously', () => ({ done: true })],
    ['and throws', () => stubborn({}).toString()],
    ['with a promise that rejects', () => Promise.reject(new Error('never mind'))],
  ])('may give an iterator that returns %s', async (_, end) => {
    const iterator = { next() {}, return: end, [Symbol.asyncIterator]: () => iterator }
    const { call, values } = start({ odd: () => iterator })
    await call('odd')
    expect(values()).toEqual(['ERR_METHOD_KIND'])
  })

  test('may throw a proxy that hides its class, though error classes are declared', async () => {
    declareError(class OfThisTest extends Error {})
    const getPrototypeOf = () => {
      throw new Error('a secret')
    }
    const { call, values } = start({
      odd() {
        throw new Proxy(new Error('x'), { getPrototypeOf })
      },
    })
    await call('odd')
    expect(values()).toEqual(['ERR_REMOTE'])
  })
})

describe('calls with an idempotency key', () => {
  const answer = (id: number, plain: unknown) => ({ kind: 'result', id, payload: JSON.stringify({ plain }) })
  const forLong = { deadline: 60_000, key: 'k' }
  const setUp = () => {
    const runs: { readonly value: number; settle(): void; fail(error: Error): void }[] = []
    const pay = (value: number) =>
      new Promise<number>((resolve, reject) => {
        currentCall().signal.addEventListener('abort', () => runs.at(-1)?.fail(new Error('gave up')))
        runs.push({ value, settle: () => resolve(value), fail: reject })
      })
    const started = start({ pay, refund: () => -1 })
    const settle = async (index = -1): Promise<void> => {
      runs.at(index)?.settle()
      await started.clock.settle()
    }
    return { ...started, runs, settle }
  }

  test('run once, and get that answer at once when there is one', async () => {
    const { call, settle, runs, replies } = setUp()
    const first = await call('pay', [1], forLong)
    await settle()
    const second = await call('pay', [2], forLong)
    expect(runs).toHaveLength(1)
    expect(replies).toEqual([answer(first, 1), answer(second, 1)])
  })

  test.each([
    ['plain', { a: 1 }],
    ['rich', new Map([[1, 2n]])],
    ['binary', Buffer.from('tea')],
  ])('get a %s answer by whichever way they come', async (_, value) => {
    const { call, replies } = start({ brew: () => value })
    const byLink = { ...forLong, route: -7_340_031 }
    const fromPrimary = { ...forLong, route: 8, from: { id: 0, incarnation: 0 } }
    const byPrimary = { ...forLong, route: 9 }
    for (const first of [byLink, fromPrimary, byPrimary]) {
      const key = `${first.route}`
      for (const way of [first, fromPrimary, byPrimary]) await call('brew', [], { ...way, key })
    }
    expect(replies.map(({ id }) => id)).toEqual([-7_340_031, 8, 9, 8, 8, 9, 9, 8, 9])
    for (const reply of replies) {
      const { id, payload } = reply as ResultFrame
      if (id < 0) continue
      // What the primary passes on, it need not read.
      if (id === 9) expect(typeof payload).toBe('string')
      expect(decodePayload(JSON.parse(JSON.stringify(payload)), 'result')).toEqual(value)
    }
  })

  test('wait for the answer of the one that runs', async () => {
    const { call, settle, runs, replies } = setUp()
    const ids = [await call('pay', [1], forLong), await call('pay', [2], forLong), await call('pay', [3], forLong)]
    expect(runs).toHaveLength(1)
    await settle()
    expect(replies).toEqual(ids.map((id) => answer(id, 1)))
  })

  test('of another method, another key, or none, are others', async () => {
    const { call, runs, replies } = setUp()
    await call('pay', [1], forLong)
    await call('refund', [], forLong)
    await call('pay', [2], { ...forLong, key: 'other' })
    await call('pay', [3], { deadline: 60_000 })
    expect(runs.map(({ value }) => value)).toEqual([1, 2, 3])
    expect(replies).toHaveLength(1)
  })

  test('get what the method threw, too', async () => {
    const { call, clock, runs, replies } = setUp()
    await call('pay', [1], forLong)
    runs[0]?.fail(new Error('no money'))
    await clock.settle()
    await call('pay', [2], forLong)
    expect(runs).toHaveLength(1)
    expect(replies.map(({ kind }) => kind)).toEqual(['failure', 'failure'])
  })

  test('get the answer of one whose caller gave up and that came to its end all the same', async () => {
    const { actor, call, clock, runs, replies } = setUp()
    const first = await call('pay', [1], forLong)
    runs[0]!.fail = () => {}
    actor.cancel(first)
    const second = await call('pay', [2], forLong)
    runs[0]?.settle()
    await clock.settle()
    expect(replies).toEqual([answer(second, 1)])
    expect(runs).toHaveLength(1)
  })

  test('run when the first was given up and stopped for it', async () => {
    const { actor, call, settle, clock, runs, replies } = setUp()
    actor.cancel(await call('pay', [1], forLong))
    await clock.settle()
    const second = await call('pay', [2], forLong)
    await settle()
    expect(runs).toHaveLength(2)
    expect(replies).toEqual([answer(second, 2)])
  })

  test('keep the one running that its own caller has given up', async () => {
    const { actor, call, settle, clock, runs, replies } = setUp()
    const first = await call('pay', [1], forLong)
    const second = await call('pay', [2], forLong)
    actor.cancel(first)
    await clock.settle()
    await settle()
    expect(runs).toHaveLength(1)
    expect(replies).toEqual([answer(second, 1)])
  })

  test('that had joined and are given up get no answer', async () => {
    const { actor, call, settle, replies } = setUp()
    const first = await call('pay', [1], forLong)
    actor.cancel(await call('pay', [2], forLong))
    await settle()
    expect(replies).toEqual([answer(first, 1)])
  })

  test('are the next to run when the first never started', async () => {
    const ahead = gate<number>()
    const { actor, call, clock, replies } = start({
      turn: method({ concurrency: 1 }, (value: number) => (value === 0 ? ahead.promise : value)),
    })
    const blocking = await call('turn', [0], { deadline: 60_000 })
    const first = await call('turn', [1], { deadline: clock.now() + 100, key: 'k' })
    const second = await call('turn', [2], forLong)
    await clock.advance(100)
    actor.cancel(first)
    ahead.open(0)
    await clock.settle()
    expect(replies).toEqual([answer(blocking, 0), answer(second, 2)])
  })

  test('are the next to run when the first failed at the end of its own time, before its caller said so', async () => {
    const nested = gate()
    let runs = 0
    const pay = async () => {
      if (++runs === 1) await nested.promise.then(() => Promise.reject(new Error('what it called has timed out')))
      return runs
    }
    const { call, clock, replies } = start({ pay })
    await call('pay', [], { deadline: clock.now() + 100, key: 'k' })
    const second = await call('pay', [], forLong)
    // A timer of node's may be a little early.
    await clock.advance(99.7)
    nested.open()
    await clock.settle()
    expect(replies.at(-1)).toEqual(answer(second, 2))
  })

  test('do not join a call that waits for them', async () => {
    const { call, failure } = setUp()
    const first = await call('pay', [1], forLong)
    await call('pay', [1], {
      ...forLong,
      chain: [
        [first, 2, 'pay'],
        [77, 3, 'detour'],
      ],
    })
    expect(failure()).toBeInstanceOf(CallCycleError)
  })

  test('do not wait in numbers beyond the limit of the mailbox', async () => {
    const { promise, open } = gate<number>()
    const { call, clock, values } = start({ pay: () => promise }, { limits: { mailbox: 2 } })
    for (let count = 0; count < 4; count++) await call('pay', [], forLong)
    expect(values()).toEqual(['ERR_MAILBOX_FULL'])
    open(7)
    await clock.settle()
    expect(values()).toEqual(['ERR_MAILBOX_FULL', 7, 7, 7])
  })

  test('are not answered by a refusal of what was sent before: that never ran', async () => {
    const { call, values } = start({ pay: method({ input: numberSchema }, (value: number) => value) })
    await call('pay', ['oops'], forLong)
    await call('pay', [5], forLong)
    expect(values()).toEqual(['ERR_VALIDATION', 5])
  })

  test('are remembered for so many bytes of answers', async () => {
    const runs: number[] = []
    const pay = (count: number): string => {
      runs.push(count)
      return 'x'.repeat(600)
    }
    const { call } = start({ pay })
    for (const key of ['a', 'b', 'b', 'a']) await call('pay', [runs.length], { ...forLong, key })
    expect(runs).toEqual([0, 1, 2])
  })

  test('are told apart whatever their names and keys are made of', async () => {
    const { call, values } = start({ pay: () => 'paid', 'pay now': () => 'paid now' })
    await call('pay', [], { ...forLong, key: 'now 7' })
    await call('pay now', [], { ...forLong, key: '7' })
    expect(values()).toEqual(['paid', 'paid now'])
  })

  test('are remembered so many, the one that was used last the longest', async () => {
    const { call, settle, runs } = setUp()
    for (const key of ['a', 'b']) {
      await call('pay', [1], { ...forLong, key })
      await settle()
    }
    await call('pay', [2], { ...forLong, key: 'a' })
    await call('pay', [3], { ...forLong, key: 'c' })
    await settle()
    expect(runs).toHaveLength(3)
    await call('pay', [4], { ...forLong, key: 'a' })
    expect(runs).toHaveLength(3)
    await call('pay', [5], { ...forLong, key: 'b' })
    expect(runs).toHaveLength(4)
  })
})
