import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, test } from 'vitest'
import { method } from '../../../src/protocol/contract.js'
import { fromRecord } from '../../../src/protocol/error-record.js'
import {
  MailboxFullError,
  MethodKindError,
  PayloadError,
  RemoteError,
  type TroupeError,
  ValidationError,
  WorkerGoneError,
} from '../../../src/protocol/errors.js'
import type { FailureFrame, InvokeFrame, ItemsFrame, ResultFrame, StreamRoom } from '../../../src/protocol/frames.js'
import { decodePayload, encodePayload } from '../../../src/protocol/payload.js'
import { isParts } from '../../../src/protocol/payload-forms.js'
import { sizeOfItem } from '../../../src/protocol/payload-size.js'
import { Actor, type ActorOptions } from '../../../src/runtime/messaging/actor.js'
import { currentCall } from '../../../src/runtime/messaging/call-context.js'
import { registerMethods } from '../../../src/runtime/messaging/method-registry.js'
import { FakeClock } from '../../support/fake-clock.js'
import { FakeLogger } from '../../support/fake-logger.js'
import { standing } from '../../support/outcome.js'
import { numberSchema } from '../../support/schemas.js'

type Sent = ResultFrame | FailureFrame | ItemsFrame

const LIMITS = { mailbox: 16, answers: 16, answerBytes: 10_000, payload: 10_000 }

type StartOptions = Partial<Omit<ActorOptions, 'limits'>> & { readonly limits?: Partial<typeof LIMITS> }

/** The methods of worker 2, read by a test. */
function start(methods: object, { limits, ...options }: StartOptions = {}) {
  const clock = new FakeClock()
  const sent: Sent[] = []
  const send = (frame: Sent): void => void sent.push(frame)
  const actor = new Actor({
    self: { id: 2, incarnation: 5 },
    methods: registerMethods(methods, 'methods'),
    concurrency: Number.POSITIVE_INFINITY,
    limits: { ...LIMITS, ...limits },
    clock,
    logger: new FakeLogger(),
    reply: send,
    yield: send,
    tell: () => {},
    ...options,
  })
  let lastRoute = 0
  const invoke = async (name: string, args: unknown[], fields: Partial<InvokeFrame>): Promise<number> => {
    const route = ++lastRoute
    actor.invoke({
      kind: 'invoke',
      route,
      from: { id: 1, incarnation: 3 },
      method: name,
      payload: encodePayload(args, { opaque: true, limit: 10_000, root: 'args' }),
      ...fields,
    })
    await clock.settle()
    return route
  }
  const read = (
    name: string,
    args: unknown[] = [],
    room: Partial<StreamRoom> = {},
    fields: Partial<InvokeFrame> = {},
  ) => invoke(name, args, { stream: { items: 4, bytes: 1_000, ...room }, ...fields })
  const call = (name: string, args: unknown[] = []) => invoke(name, args, { deadline: clock.now() + 500 })
  const frames = (): ItemsFrame[] => sent.filter((frame) => frame.kind === 'items')
  const items = (route?: number): unknown[] =>
    frames()
      .filter(({ id }) => route === undefined || id === route)
      .flatMap((frame) => frame.items)
      .map((item) => decodePayload(item ?? undefined, 'item'))
  /** The reader has taken so many items, from the beginning on. */
  const take = async (taken: number, route = lastRoute): Promise<boolean> => {
    const texts = frames()
      .filter(({ id }) => id === route)
      .flatMap((frame) => frame.items)
      .slice(0, taken)
    const bytes = texts.reduce((sum, item) => sum + sizeOfItem(item), 0)
    const accepted = actor.credit({ kind: 'credit', id: route, items: taken, bytes })
    await clock.settle()
    return accepted
  }
  const end = (): ResultFrame | FailureFrame => {
    const ends = sent.filter((frame) => frame.kind !== 'items')
    expect(ends).toHaveLength(1)
    return ends[0] as ResultFrame | FailureFrame
  }
  const failure = (): TroupeError => fromRecord(JSON.parse(JSON.stringify((end() as FailureFrame).error)))
  return { actor, clock, sent, read, call, frames, items, take, end, failure }
}

/** Counts up, and says what became of it. */
function counter() {
  const seen = { made: 0, closed: 0, signal: undefined as string | undefined }
  async function* count(limit = Number.POSITIVE_INFINITY, pause?: () => Promise<unknown>) {
    const { signal } = currentCall()
    try {
      while (seen.made < limit) {
        seen.made++
        yield seen.made
        await pause?.()
      }
      return 'all'
    } finally {
      seen.closed++
      if (signal.aborted) seen.signal = (signal.reason as Error).name
    }
  }
  return { seen, count }
}

test('bytes stay bytes on a direct link, and are texts by the primary', async () => {
  const methods = {
    async *chunk() {
      yield Buffer.from('bytes')
    },
  }
  const { read, frames } = start(methods)
  await read('chunk', [], {}, { route: -7 })
  await read('chunk', [], {}, { route: 7 })
  const [direct, routed] = frames().flatMap((frame) => frame.items)
  expect(isParts(direct) && direct.parts).toEqual([Buffer.from('bytes')])
  expect(typeof routed).toBe('string')
})

describe('an iterator that is no generator', () => {
  const methods = {
    locked: method({ stream: true }, () => ({
      [Symbol.asyncIterator]: () => {
        throw new Error('the stream is locked')
      },
    })),
    nothing: method({ stream: true }, () => ({ [Symbol.asyncIterator]: () => ({ next: async () => undefined }) })),
    trap: method({ stream: true }, () => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => ({
          get done(): boolean {
            throw new Error('not yet')
          },
        }),
      }),
    })),
  }

  test.each([
    ['locked', /the stream is locked/],
    ['nothing', /undefined/],
    ['trap', /not yet/],
  ])('and misbehaves (%s) ends its stream with what it threw, and gives its place back', async (name, message) => {
    const { read, failure, call, sent } = start({ ...methods, even: () => 2 }, { limits: { mailbox: 1 } })
    await read(name)
    expect(failure()).toBeInstanceOf(RemoteError)
    expect(failure().message).toMatch(message)
    await call('even')
    expect(sent.at(-1)).toMatchObject({ kind: 'result' })
  })
})

describe('a generator', () => {
  test('is as far ahead of its reader as there is room, and no further', async () => {
    const { seen, count } = counter()
    const s = start({ count })
    await s.read('count')
    expect(seen.made).toBe(4)
    expect(s.items()).toEqual([1, 2, 3, 4])
    expect(await s.take(1)).toBe(true)
    expect(seen.made).toBe(5)
    expect(await s.take(4)).toBe(true)
    expect(s.items()).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  test('is held up by bytes too', async () => {
    const s = start({
      async *texts() {
        for (;;) yield 'x'.repeat(390)
      },
    })
    await s.read('texts', [], { items: 100 })
    // Two of them are within the room, the third is the one that goes over it.
    expect(s.items()).toHaveLength(3)
    await s.take(1)
    expect(s.items()).toHaveLength(4)
  })

  test('sends what is there together in one frame, with the number of the first', async () => {
    const { count } = counter()
    const s = start({ count: () => undefined, numbers: method({ stream: true }, () => count(10)) })
    await s.read('numbers')
    await s.take(4)
    await s.take(8)
    expect(s.frames().map(({ first, items }) => [first, items.length])).toEqual([
      [0, 4],
      [4, 4],
      [8, 2],
    ])
    expect(s.end()).toMatchObject({ kind: 'result' })
    expect(decodePayload((s.end() as ResultFrame).payload, 'result')).toBe('all')
  })

  test('does not keep a lone item waiting for the next', async () => {
    const { count } = counter()
    const s = start({ slow: method({ stream: true }, () => count(2, () => new Promise(() => {}))) })
    await s.read('slow')
    expect(s.items()).toEqual([1])
  })

  test('that never waits gives way to others after a while', async () => {
    const s = start({
      async *fast() {
        for (let item = 0; item < 200; item++) yield item
      },
    })
    const turns: number[] = []
    const reading = s.read('fast', [], { items: 1_000, bytes: 100_000 })
    // What was due before goes first, each time.
    const look = (): void => {
      turns.push(s.items().length)
      if (turns.length < 5) s.clock.nextTurn(look)
    }
    s.clock.nextTurn(look)
    await reading
    expect(turns[0]).toBeLessThanOrEqual(64)
    expect(s.items()).toHaveLength(200)
    expect(Math.max(...s.frames().map(({ items }) => items.length))).toBe(64)
  })

  test('may use one object for all its items', async () => {
    const s = start({
      async *reused() {
        const row = { n: 0 }
        const chunk = Buffer.alloc(2)
        for (row.n = 1; row.n <= 2; row.n++) {
          yield row
          chunk.fill(row.n)
          yield chunk
        }
      },
    })
    await s.read('reused')
    expect(s.items()).toEqual([{ n: 1 }, Buffer.from([1, 1]), { n: 2 }, Buffer.from([2, 2])])
  })

  test('runs in the context of its call, from its first line to its last', async () => {
    const other = new AsyncLocalStorage<string>()
    const methods: unknown[] = []
    const s = start({
      async *context() {
        try {
          for (let item = 0; item < 10; item++) {
            methods.push(currentCall().method)
            yield item
            await null
          }
        } finally {
          methods.push(currentCall().method, other.getStore())
        }
      },
    })
    const route = await s.read('context')
    // Credit arrives in whatever context the link happens to be in.
    await other.run('of the link', () => s.take(4))
    s.actor.cancel(route)
    await s.clock.settle()
    expect(new Set(methods.slice(0, -1))).toEqual(new Set(['context']))
  })

  test('that throws ends the stream after its items', async () => {
    const s = start({
      async *fails() {
        yield 1
        yield 2
        throw Object.assign(new RangeError('too far'), { code: 'E_FAR' })
      },
    })
    await s.read('fails')
    expect(s.sent.map(({ kind }) => kind)).toEqual(['items', 'failure'])
    expect(s.items()).toEqual([1, 2])
    expect(s.failure()).toBeInstanceOf(RemoteError)
    expect(s.failure()).toMatchObject({ remote: { name: 'RangeError', code: 'E_FAR' }, sent: 'yes' })
  })

  test('that cannot even begin, or returns what is no stream, is an error of the catalogue', async () => {
    const s = start({
      throws: method({ stream: true }, () => {
        throw new Error('at once')
      }),
    })
    await s.read('throws')
    expect(s.failure()).toMatchObject({ code: 'ERR_REMOTE', remote: { message: 'at once' } })

    const other = start({ five: method({ stream: true }, () => 5) })
    await other.read('five')
    expect(other.failure()).toMatchObject({ code: 'ERR_METHOD_KIND', sent: 'yes' })
  })

  test('that yields what cannot be sent is closed, and its reader learns which item', async () => {
    let closed = false
    const s = start({
      async *functions() {
        try {
          yield { ok: true }
          yield { run: () => 1 }
          yield 'never'
        } finally {
          closed = true
        }
      },
    })
    await s.read('functions')
    expect(s.items()).toEqual([{ ok: true }])
    expect(s.failure()).toBeInstanceOf(PayloadError)
    expect(s.failure()).toMatchObject({ path: 'items[1].run', method: 'functions', sent: 'yes' })
    expect(closed).toBe(true)
  })

  test('has each item validated, and replaced by what the schema makes of it', async () => {
    const s = start({
      numbers: method({ output: numberSchema }, async function* (): AsyncGenerator<number> {
        yield 1
        yield 2
        yield 'three' as never
      }),
    })
    await s.read('numbers')
    expect(s.items()).toHaveLength(2)
    expect(s.failure()).toBeInstanceOf(ValidationError)
    expect(s.failure().message).toContain('items[2] of numbers')
    expect(s.failure().sent).toBe('yes')
  })

  test('has its argument validated before it begins', async () => {
    const { seen, count } = counter()
    const s = start({ count: method({ input: numberSchema, stream: true }, count) })
    await s.read('count', ['many'])
    expect(s.failure()).toMatchObject({ code: 'ERR_VALIDATION', sent: 'no' })
    expect(seen.made).toBe(0)
  })

  test('goes on under a number whose former stream ends only now', async () => {
    const gates: (() => void)[] = []
    const s = start({
      async *held() {
        await new Promise<void>((open) => gates.push(open))
        yield 1
      },
      async *count() {
        for (let n = 0; n < 6; n++) yield n
      },
    })
    const route = await s.read('held')
    s.actor.cancel(route)
    await s.clock.settle()
    await s.read('count', [], {}, { route })
    gates[0]?.()
    await s.clock.settle()
    expect(await s.take(4, route)).toBe(true)
    expect(s.items(route)).toEqual([0, 1, 2, 3, 4, 5])
  })

  test('may be anything that can be iterated', async () => {
    let returned = 0
    const list = (): AsyncIterable<number> => ({
      [Symbol.asyncIterator]: () => {
        let item = 0
        return {
          next: async () => ({ done: false, value: ++item }),
          return: async () => {
            returned++
            return { done: true, value: undefined }
          },
        }
      },
    })
    const s = start({ list: method({ stream: true }, list) })
    const route = await s.read('list')
    expect(s.items()).toEqual([1, 2, 3, 4])
    s.actor.cancel(route)
    await s.clock.settle()
    expect(returned).toBe(1)
  })
})

describe('a cancel', () => {
  test('closes a generator that is held up: finally runs, the signal has fired, nothing more is sent', async () => {
    const { seen, count } = counter()
    const s = start({ count })
    const route = await s.read('count')
    s.actor.cancel(route)
    await s.clock.settle()
    expect(seen).toEqual({ made: 4, closed: 1, signal: 'AbortError' })
    expect(await s.take(4)).toBe(false)
    expect(s.sent.map(({ kind }) => kind)).toEqual(['items'])
  })

  test('closes one that waits for something, if it heeds the signal', async () => {
    const { seen, count } = counter()
    const untilAborted = (): Promise<unknown> => {
      const { signal } = currentCall()
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    }
    const s = start({ count: method({ stream: true }, () => count(9, untilAborted)) })
    const route = await s.read('count')
    s.actor.cancel(route)
    await s.clock.settle()
    expect(seen.closed).toBe(1)
    expect(s.sent.map(({ kind }) => kind)).toEqual(['items'])
    await s.actor.idle()
  })

  test('drops the item that a generator was just making, and closes it then', async () => {
    let open!: () => void
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const { seen, count } = counter()
    const s = start({ count: method({ stream: true }, () => count(9, () => gate)) })
    const route = await s.read('count')
    s.actor.cancel(route)
    await s.clock.settle()
    expect(seen).toMatchObject({ made: 1, closed: 0 })
    open()
    await s.clock.settle()
    expect(seen.closed).toBe(1)
    expect(s.items()).toEqual([1])
  })

  test('that crosses the error or the end of a generator changes nothing, and what finally throws ends nowhere', async () => {
    const s = start({
      async *bad() {
        try {
          yield 1
          yield 2
        } finally {
          // biome-ignore lint/correctness/noUnsafeFinally: what is tried here.
          throw new Error('on its way out')
        }
      },
    })
    const route = await s.read('bad', [], { items: 1 })
    s.actor.cancel(route)
    await s.clock.settle()
    s.actor.cancel(route)
    expect(s.sent.map(({ kind }) => kind)).toEqual(['items'])
    await s.actor.idle()
  })

  test('comes by itself at the deadline, when the reader is too frozen to send it', async () => {
    const { seen, count } = counter()
    const s = start({ count })
    await s.read('count', [], {}, { deadline: s.clock.now() + 100 })
    await s.clock.advance(100)
    expect(seen.closed).toBe(1)
    await s.actor.idle()
  })

  test('of one that has not begun means that it never does', async () => {
    const { seen, count } = counter()
    const s = start({ count }, { concurrency: 1 })
    const first = await s.read('count')
    const second = await s.read('count')
    s.actor.cancel(second)
    s.actor.cancel(first)
    await s.clock.settle()
    expect(seen).toMatchObject({ made: 4, closed: 1 })
  })
})

describe('a stream', () => {
  test('is one call for as long as it runs: of the mailbox', async () => {
    const { count } = counter()
    const s = start({ count, plain: () => 1 }, { limits: { mailbox: 1 } })
    await s.read('count')
    await s.call('plain')
    expect(s.failure()).toBeInstanceOf(MailboxFullError)
  })

  test('is one call for as long as it runs: of a serial method, until its generator has closed', async () => {
    let open!: () => void
    const closing = new Promise<void>((resolve) => {
      open = resolve
    })
    let begun = 0
    const s = start({
      serial: method({ concurrency: 1 }, async function* () {
        begun++
        try {
          for (let item = 0; ; item++) yield item
        } finally {
          await closing
        }
      }),
    })
    const first = await s.read('serial')
    const second = await s.read('serial')
    s.actor.cancel(first)
    await s.clock.settle()
    expect(begun).toBe(1)
    open()
    await s.clock.settle()
    expect(begun).toBe(2)
    expect(s.items(second)).toEqual([0, 1, 2, 3])
  })

  test('that is held up holds up nothing else', async () => {
    const { count } = counter()
    const s = start({ count, plain: () => 'here' })
    await s.read('count', [2])
    await s.read('count')
    await s.call('plain')
    expect(s.sent.at(-1)).toMatchObject({ kind: 'result' })
  })

  test('is part of what is drained, and is cut with an error when the time for that is over', async () => {
    const { seen, count } = counter()
    const s = start({ count, never: () => new Promise(() => {}) }, { concurrency: 2 })
    await s.read('count')
    await s.call('never')
    await s.read('count')
    expect(await standing(s.actor.idle())).toBe('pending')
    s.actor.cut(10_000)
    await s.clock.settle()
    const ends = s.sent.filter((frame) => frame.kind === 'failure').map(({ error }) => fromRecord(error))
    expect(ends).toMatchObject([
      { code: 'ERR_WORKER_GONE', id: 2, incarnation: 5, sent: 'yes' },
      { code: 'ERR_WORKER_GONE', sent: 'no' },
    ])
    expect(ends[0]).toBeInstanceOf(WorkerGoneError)
    expect(ends[0]?.message).toContain(
      'worker 2 (incarnation 5) is being replaced or stopped, and its 10000 ms to finish were over before it had ended count',
    )
    expect(seen.closed).toBe(1)
  })

  test.each([
    ['called', (s: ReturnType<typeof start>) => s.call('count'), 'is a stream', 'no'],
    ['read, and is none', (s: ReturnType<typeof start>) => s.read('plain'), 'is not a stream', 'no'],
    [
      'called, and not declared',
      (s: ReturnType<typeof start>) => s.call('arrow'),
      'returned an async generator',
      'yes',
    ],
  ] as const)('that is %s is refused with a typed error', async (_, run, message, sent) => {
    const { seen, count } = counter()
    let plain = 0
    const s = start({ count, plain: () => ++plain, arrow: () => count() })
    await run(s)
    expect(s.failure()).toBeInstanceOf(MethodKindError)
    expect(s.failure().message).toContain(message)
    expect(s.failure().sent).toBe(sent)
    expect({ made: seen.made, plain }).toEqual({ made: 0, plain: 0 })
  })

  test('takes no credit for what was not sent, nor twice, nor after its end', async () => {
    const { count } = counter()
    const s = start({ count })
    const route = await s.read('count', [6])
    const credit = (items: number, bytes: number) => s.actor.credit({ kind: 'credit', id: route, items, bytes })
    expect(credit(5, 10)).toBe(false)
    expect(credit(1, 100_000)).toBe(false)
    expect(await s.take(4)).toBe(true)
    expect(credit(4, 44)).toBe(false)
    expect(s.end()).toMatchObject({ kind: 'result' })
    expect(credit(6, 66)).toBe(false)
  })
})
