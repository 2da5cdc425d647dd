import { beforeEach, describe, expect, test } from 'vitest'
import { fromRecord } from '../../../src/protocol/error-record.js'
import { ClusterClosedError, RemoteError } from '../../../src/protocol/errors.js'
import type { AckFrame, MessagingUpFrame } from '../../../src/protocol/frames.js'
import { encodePayload } from '../../../src/protocol/payload.js'
import { CallContext, currentCall, runInContext } from '../../../src/runtime/messaging/call-context.js'
import { Subscriptions } from '../../../src/runtime/messaging/subscriptions.js'
import { allMicrotasks, FakeClock } from '../../support/fake-clock.js'
import { FakeLogger } from '../../support/fake-logger.js'
import { rejection, standing } from '../../support/outcome.js'

function open() {
  const logger = new FakeLogger()
  const sent: MessagingUpFrame[] = []
  const subscriptions = new Subscriptions({
    self: { id: 2, incarnation: 5 },
    logger,
    send: (frame) => sent.push(frame),
  })
  const message = (value: unknown, receipt?: number): void =>
    subscriptions.dispatch({
      kind: 'message',
      channel: 'news',
      payload: encodePayload(value, { opaque: true, limit: 1_000, root: 'value' }),
      receipt,
    })
  const acks = (): AckFrame[] => sent.filter((frame) => frame.kind === 'ack')
  return { logger, sent, subscriptions, message, acks }
}

let s: ReturnType<typeof open>
beforeEach(() => {
  s = open()
})

describe('subscribing', () => {
  test('asks the router once per channel, however many handlers there are', () => {
    s.subscriptions.add('news', () => {})
    s.subscriptions.add('news', () => {})
    s.subscriptions.add('other', () => {})
    expect(s.sent).toEqual([
      { kind: 'subscribe', channel: 'news', ref: 1 },
      { kind: 'subscribe', channel: 'other', ref: 2 },
    ])
  })

  test('is active when the router has confirmed it, for every handler', async () => {
    const first = s.subscriptions.add('news', () => {})
    const second = s.subscriptions.add('news', () => {})
    expect(await standing(first.active)).toBe('pending')
    expect(s.subscriptions.confirm(1)).toBe(true)
    expect(await standing(first.active)).toBeUndefined()
    expect(await standing(second.active)).toBeUndefined()
    expect(await standing(s.subscriptions.add('news', () => {}).active)).toBeUndefined()
  })

  test('a confirmation that nobody waits for is told so', () => {
    s.subscriptions.add('news', () => {})
    expect(s.subscriptions.confirm(9)).toBe(false)
    s.subscriptions.confirm(1)
    expect(s.subscriptions.confirm(1)).toBe(false)
  })

  test('ends at the router with the last handler', () => {
    const [first, second] = [s.subscriptions.add('news', () => {}), s.subscriptions.add('news', () => {})]
    first.unsubscribe()
    first.unsubscribe()
    expect(s.sent).toHaveLength(1)
    second[Symbol.dispose]()
    expect(s.sent.at(-1)).toEqual({ kind: 'unsubscribe', channel: 'news' })
  })

  test('anew after the end asks anew, and an old subscription cannot end it', async () => {
    const first = s.subscriptions.add('news', () => {})
    first.unsubscribe()
    const second = s.subscriptions.add('news', () => {})
    first.unsubscribe()
    expect(s.sent.map(({ kind }) => kind)).toEqual(['subscribe', 'unsubscribe', 'subscribe'])
    s.subscriptions.confirm(1)
    expect(await standing(second.active)).toBe('pending')
    s.subscriptions.confirm(2)
    expect(await standing(second.active)).toBeUndefined()
  })

  test('that is not confirmed before the cluster ends rejects, and only for those who ask', async () => {
    const subscription = s.subscriptions.add('news', () => {})
    s.subscriptions.close()
    await allMicrotasks()
    await rejection(ClusterClosedError, subscription.active)
    await rejection(ClusterClosedError, s.subscriptions.add('later', () => {}).active)
  })
})

describe('a message', () => {
  test('reaches every handler of its channel, in the order of their subscriptions', () => {
    const heard: unknown[] = []
    s.subscriptions.add('news', (value) => heard.push(['first', value]))
    s.subscriptions.add('other', (value) => heard.push(['other', value]))
    s.subscriptions.add('news', (value) => heard.push(['second', value]))
    s.message(1)
    expect(heard).toEqual([
      ['first', 1],
      ['second', 1],
    ])
  })

  test('reaches a handler twice that was subscribed twice, and once after one of them has ended', () => {
    let count = 0
    const handler = (): void => {
      count++
    }
    const subscription = s.subscriptions.add('news', handler)
    s.subscriptions.add('news', handler)
    s.message(1)
    expect(count).toBe(2)
    subscription.unsubscribe()
    s.message(1)
    expect(count).toBe(3)
  })

  test('is a copy of its own for each handler', () => {
    const heard: unknown[] = []
    s.subscriptions.add('news', (value) => {
      ;(value as { list: number[] }).list.push(9)
    })
    s.subscriptions.add('news', (value) => heard.push(value))
    s.message({ list: [1] })
    expect(heard).toEqual([{ list: [1] }])
  })

  test.each([
    ['inline', { plain: { list: [1] } }],
    ['rich', { rich: { json: { list: ['1'] }, meta: { v: 2, values: { list: ['set', { 0: ['bigint'] }] } } } }],
  ])('is one for each also when it came %s, as part of a message', (_, payload) => {
    const got: unknown[] = []
    const take = (value: unknown): void => {
      got.push(structuredClone(value))
      Object.assign(value as object, { list: 'changed' })
    }
    s.subscriptions.add('news', take)
    s.subscriptions.add('news', take)
    s.subscriptions.dispatch({ kind: 'message', channel: 'news', payload })
    expect(got).toHaveLength(2)
    expect(got[1]).toEqual(got[0])
    expect(got[0]).not.toEqual({ list: 'changed' })
  })

  test('that a handler throws at is reported, and the others get it all the same', () => {
    const heard: unknown[] = []
    s.subscriptions.add('news', () => {
      throw new Error('no')
    })
    s.subscriptions.add('news', (value) => heard.push(value))
    s.message(1)
    expect(heard).toEqual([1])
    expect(s.logger.lines).toEqual(['error: a handler of channel "news" threw: no'])
  })

  test('in a form that is refused is reported', async () => {
    s.subscriptions.add('news', () => {})
    s.subscriptions.dispatch({ kind: 'message', channel: 'news', payload: '{"plain":{"__proto__":1}}' })
    await allMicrotasks()
    expect(s.logger.lines).toEqual([expect.stringContaining('the message on news arrived in a form that is refused')])
  })
})

describe('an acknowledgement', () => {
  test('is sent when every handler has settled, promises awaited', async () => {
    let settle!: () => void
    s.subscriptions.add('news', () => {})
    s.subscriptions.add('news', () => new Promise<void>((resolve) => (settle = resolve)))
    s.message(1, 7)
    await allMicrotasks()
    expect(s.acks()).toEqual([])
    settle()
    await allMicrotasks()
    expect(s.acks()).toEqual([{ kind: 'ack', receipt: 7, error: undefined }])
  })

  test('is not sent when none is due', async () => {
    s.subscriptions.add('news', () => {})
    s.message(1)
    await allMicrotasks()
    expect(s.acks()).toEqual([])
  })

  test('is sent at once when the last handler has just gone', async () => {
    s.message(1, 7)
    await allMicrotasks()
    expect(s.acks()).toHaveLength(1)
  })

  test('says what the first failing handler threw, when all have settled', async () => {
    s.subscriptions.add('news', () => Promise.reject(Object.assign(new Error('first'), { code: 'E' })))
    s.subscriptions.add('news', () => {
      throw new Error('second')
    })
    s.message(1, 7)
    await allMicrotasks()
    const [ack] = s.acks()
    const error = fromRecord(ack?.error as never) as RemoteError
    expect(error).toBeInstanceOf(RemoteError)
    expect(error.remote).toMatchObject({ message: 'first', code: 'E' })
    expect(error.from).toEqual({ id: 2, incarnation: 5 })
  })
})

describe('the end of a subscription', () => {
  test('is told to each handler, with the reason', async () => {
    const [first, second] = [s.subscriptions.add('news', () => {}), s.subscriptions.add('news', () => {})]
    const other = s.subscriptions.add('other', () => {})
    first.unsubscribe()
    expect(await first.ended).toBe('unsubscribed')
    s.subscriptions.lose('news')
    expect(await second.ended).toBe('overflow')
    expect(await standing(other.ended)).toBe('pending')
    s.subscriptions.close()
    expect(await other.ended).toBe('closed')
  })

  test('by overflow lets nobody hear more, and whoever subscribes again begins anew', () => {
    const heard: unknown[] = []
    const lost = s.subscriptions.add('news', (value) => heard.push(value))
    s.subscriptions.lose('news')
    s.message('late')
    s.sent.length = 0
    lost.unsubscribe()
    expect(s.sent).toEqual([])
    s.subscriptions.add('news', (value) => heard.push(value))
    expect(s.sent).toEqual([{ kind: 'subscribe', channel: 'news', ref: 2 }])
    s.message('new')
    expect(heard).toEqual(['new'])
  })
})

test('a handler that another takes away while a message is given out does not get it', () => {
  const got: unknown[] = []
  s.subscriptions.add('news', () => second.unsubscribe())
  const second = s.subscriptions.add('news', (value) => got.push(value))
  s.subscriptions.add('news', (value) => got.push(['third', value]))
  s.message(1)
  expect(got).toEqual([['third', 1]])
})

test('a handler that another adds while a message is given out gets the next one', () => {
  const got: unknown[] = []
  s.subscriptions.add('news', (value) => {
    if (value === 1) s.subscriptions.add('news', (later) => got.push(later))
  })
  s.message(1)
  s.message(2)
  expect(got).toEqual([2])
})

test('a handler belongs to no call, though the method of one has published', () => {
  const context = new CallContext(
    { caller: { id: 1, incarnation: 1 }, target: 0, method: 'announce', deadline: 60_000, chain: [] },
    new FakeClock(),
  )
  const methods: unknown[] = []
  s.subscriptions.add('news', () => methods.push(currentCall().method))
  runInContext(context, () => s.message(1))
  expect(methods).toEqual([undefined])
})
