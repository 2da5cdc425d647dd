import { beforeEach, describe, expect, test } from 'vitest'
import type { Overflow } from '../../../src/protocol/contract.js'
import { fromRecord, toRecord } from '../../../src/protocol/error-record.js'
import { RemoteError, WorkerGoneError } from '../../../src/protocol/errors.js'
import type { MessageFrame, ReceiptFrame } from '../../../src/protocol/frames.js'
import { InlineText } from '../../../src/protocol/payload-forms.js'
import { DropLog } from '../../../src/runtime/drop-log.js'
import { Broadcast } from '../../../src/runtime/messaging/broadcast.js'
import { Endpoint } from '../../../src/runtime/messaging/endpoint.js'
import type { OverflowEvent } from '../../../src/runtime/overflow-event.js'
import { FakeClock } from '../../support/fake-clock.js'
import { FakeLink } from '../../support/fake-link.js'
import { FakeLogger } from '../../support/fake-logger.js'

const ACK_TIMEOUT = 5_000

function open() {
  const clock = new FakeClock()
  const logger = new FakeLogger()
  const overflows: OverflowEvent[] = []
  const broadcast = new Broadcast(clock, ACK_TIMEOUT, new DropLog(logger, clock), (event) => overflows.push(event))
  const process = (id: number, incarnation = id * 10) => {
    const link = new FakeLink()
    const endpoint = new Endpoint({ id, incarnation }, link, 16)
    return {
      endpoint,
      link,
      ref: endpoint.ref,
      subscribe: (channel = 'news') => {
        broadcast.subscribe(endpoint, { kind: 'subscribe', channel, ref: 1 })
        link.take()
      },
      publish: (
        fields: {
          self?: boolean
          ref?: number
          deadline?: number
          payload?: string
          channel?: string
          overflow?: Overflow
        } = {},
      ) => broadcast.publish(endpoint, { kind: 'publish', channel: 'news', payload: 'x', self: true, ...fields }),
      /** Acknowledges the last message that it got. */
      ack: (error?: RemoteError) => {
        const receipt = link.sent.findLast((frame): frame is MessageFrame => frame.kind === 'message')?.receipt
        broadcast.acknowledge(endpoint, { kind: 'ack', receipt: receipt ?? -1, error: error && toRecord(error) })
      },
      payloads: () => link.sent.filter((frame) => frame.kind === 'message').map(({ payload }) => payload),
      receipts: () => link.sent.filter((frame): frame is ReceiptFrame => frame.kind === 'receipt'),
    }
  }
  const gone = (endpoint: Endpoint): void =>
    broadcast.gone(endpoint, (channel) => new WorkerGoneError({ ...endpoint.ref, method: channel, sent: 'maybe' }))
  return { clock, logger, overflows, broadcast, process, gone }
}

let b: ReturnType<typeof open>
let one: ReturnType<typeof b.process>
let two: ReturnType<typeof b.process>
let three: ReturnType<typeof b.process>
beforeEach(() => {
  b = open()
  one = b.process(1)
  two = b.process(2)
  three = b.process(3)
})

test('a subscription is confirmed with its number', () => {
  b.broadcast.subscribe(one.endpoint, { kind: 'subscribe', channel: 'news', ref: 42 })
  expect(one.link.sent).toEqual([{ kind: 'subscribed', ref: 42 }])
})

test('a publish goes once to each process that has subscribed to that channel', () => {
  one.subscribe()
  one.subscribe()
  two.subscribe('other')
  three.publish()
  expect(one.payloads()).toEqual(['x'])
  expect(two.payloads()).toEqual([])
  expect(three.payloads()).toEqual([])
})

test('what several get is inline, one for all, and what one gets is left as it came', () => {
  const payload = '{"plain":1}'
  one.subscribe()
  three.publish({ payload })
  expect(one.payloads()).toEqual([payload])
  two.subscribe()
  three.publish({ payload })
  expect(one.payloads()[1]).toBeInstanceOf(InlineText)
  expect(one.payloads()[1]).toBe(two.payloads()[0])
  three.publish({ payload: 'no JSON' })
  expect(two.payloads()[1]).toBe('no JSON')
})

test("the publisher's own process is among them, unless it says otherwise", () => {
  one.subscribe()
  two.subscribe()
  one.publish({ payload: 'with' })
  one.publish({ payload: 'without', self: false })
  expect(one.payloads()).toEqual(['with'])
  expect(two.payloads()).toEqual(['with', 'without'])
})

test('every process gets the messages in one order', () => {
  one.subscribe()
  two.subscribe()
  for (const payload of ['a', 'b', 'c']) (payload === 'b' ? two : one).publish({ payload })
  expect(one.payloads()).toEqual(['a', 'b', 'c'])
  expect(two.payloads()).toEqual(['a', 'b', 'c'])
})

test('nothing comes after the subscription has ended', () => {
  one.subscribe()
  b.broadcast.unsubscribe(one.endpoint, 'news')
  b.broadcast.unsubscribe(one.endpoint, 'news')
  two.publish()
  expect(one.payloads()).toEqual([])
})

test('a process that is gone gets nothing', () => {
  one.subscribe()
  b.gone(one.endpoint)
  two.publish()
  expect(one.payloads()).toEqual([])
})

test('a process whose link is full misses a message without an acknowledgement, which is logged', () => {
  one.subscribe()
  two.subscribe()
  one.link.full = true
  three.publish()
  expect(one.payloads()).toEqual([])
  expect(two.payloads()).toEqual(['x'])
  expect(b.logger.lines).toEqual([expect.stringMatching(/^warning: a message on "news" was dropped: .*link holds/)])
})

describe('a process that does not keep up', () => {
  beforeEach(() => {
    one.subscribe()
    three.publish({ payload: 'first' })
    three.publish({ payload: 'second' })
    one.link.full = true
  })

  test('misses the newest message, unless the channel says otherwise, and that is told', () => {
    three.publish({ payload: 'third' })
    expect(one.payloads()).toEqual(['first', 'second'])
    expect(b.overflows).toEqual([{ ...one.ref, channel: 'news', overflow: 'drop-newest', dropped: 1 }])
  })

  test('misses the oldest that waits for it, of that channel', () => {
    three.publish({ payload: 'third', overflow: 'drop-oldest' })
    expect(one.payloads()).toEqual(['second', 'third'])
    expect(b.overflows).toMatchObject([{ overflow: 'drop-oldest', dropped: 1 }])
    b.broadcast.subscribe(one.endpoint, { kind: 'subscribe', channel: 'other', ref: 2 })
    three.publish({ payload: 'none of mine waits', channel: 'other', overflow: 'drop-oldest' })
    expect(one.payloads()).toEqual(['second', 'third'])
  })

  test('is unsubscribed and told so, and gets what was on its way', () => {
    three.publish({ payload: 'third', overflow: 'disconnect' })
    one.link.full = false
    three.publish({ payload: 'fourth' })
    expect(one.payloads()).toEqual(['first', 'second'])
    expect(one.link.sent.at(-1)).toEqual({ kind: 'unsubscribed', channel: 'news' })
    one.subscribe()
    three.publish({ payload: 'fifth' })
    expect(one.payloads()).toEqual(['fifth'])
  })

  test('fails the receipt of the message that it misses, which may be an earlier one', () => {
    one.link.full = false
    three.publish({ payload: 'asked', ref: 7, deadline: 2_000 })
    one.link.full = true
    one.link.sent = one.link.sent.filter((frame) => frame.kind === 'message' && frame.payload === 'asked')
    three.publish({ payload: 'newer', ref: 8, deadline: 2_000, overflow: 'drop-oldest' })
    expect(three.receipts()).toMatchObject([{ ref: 7, failed: [{ ...one.ref, error: { code: 'ERR_MAILBOX_FULL' } }] }])
    one.ack()
    expect(three.receipts()).toMatchObject([{ ref: 7 }, { ref: 8, acknowledged: [one.ref] }])
  })

  test('is told of once in a while, with how many it has missed', async () => {
    for (let count = 0; count < 5; count++) three.publish()
    expect(b.overflows).toMatchObject([{ dropped: 1 }])
    await b.clock.advance(1_000)
    expect(b.overflows).toMatchObject([{ dropped: 1 }, { dropped: 4 }])
    await b.clock.advance(10_000)
    expect(b.overflows).toHaveLength(2)
    expect(b.clock.armed).toBe(0)
  })
})

describe('a receipt', () => {
  test('comes when every subscriber has acknowledged, and names each', () => {
    one.subscribe()
    two.subscribe()
    three.publish({ ref: 7, deadline: 2_000 })
    one.ack()
    expect(three.receipts()).toEqual([])
    two.ack()
    expect(three.receipts()).toEqual([{ kind: 'receipt', ref: 7, acknowledged: [one.ref, two.ref], failed: [] }])
    expect(b.clock.armed).toBe(0)
  })

  test('comes at once when nobody has subscribed', () => {
    three.publish({ ref: 7, deadline: 2_000 })
    expect(three.receipts()).toEqual([{ kind: 'receipt', ref: 7, acknowledged: [], failed: [] }])
    expect(b.broadcast.openReceipts).toBe(0)
  })

  test('covers who had subscribed when the message was routed, no one else', () => {
    one.subscribe()
    three.publish({ ref: 7, deadline: 2_000 })
    two.subscribe()
    b.broadcast.unsubscribe(one.endpoint, 'news')
    one.ack()
    expect(three.receipts()[0]?.acknowledged).toEqual([one.ref])
  })

  test('leaves out the publisher when the message did', () => {
    one.subscribe()
    two.subscribe()
    one.publish({ ref: 7, deadline: 2_000, self: false })
    two.ack()
    expect(one.receipts()[0]?.acknowledged).toEqual([two.ref])
  })

  test('counts the publisher when it has subscribed', () => {
    one.subscribe()
    one.publish({ ref: 7, deadline: 2_000 })
    one.ack()
    expect(one.receipts()[0]?.acknowledged).toEqual([one.ref])
  })

  test('says whose handler threw what', () => {
    one.subscribe()
    two.subscribe()
    three.publish({ ref: 7, deadline: 2_000 })
    one.ack()
    two.ack(new RemoteError({ method: 'h', from: two.ref, thrown: { name: 'Error', message: 'no' } }))
    const [receipt] = three.receipts()
    expect(receipt?.acknowledged).toEqual([one.ref])
    expect(receipt?.failed).toMatchObject([two.ref])
    expect(fromRecord(receipt?.failed[0]?.error as never)).toMatchObject({ code: 'ERR_REMOTE' })
  })

  test('counts a subscriber that dies as failed, and why', () => {
    one.subscribe()
    two.subscribe()
    three.publish({ ref: 7, deadline: 2_000 })
    one.ack()
    b.gone(two.endpoint)
    const [receipt] = three.receipts()
    expect(receipt?.acknowledged).toEqual([one.ref])
    expect(receipt?.failed).toMatchObject([{ ...two.ref, error: { code: 'ERR_WORKER_GONE' } }])
  })

  test('keeps an acknowledgement that came before the death', () => {
    one.subscribe()
    two.subscribe()
    three.publish({ ref: 7, deadline: 2_000 })
    one.ack()
    b.gone(one.endpoint)
    two.ack()
    expect(three.receipts()[0]).toMatchObject({ acknowledged: [one.ref, two.ref], failed: [] })
  })

  test('comes at the deadline, with those that were not heard from', async () => {
    one.subscribe()
    two.subscribe()
    three.publish({ ref: 7, deadline: b.clock.now() + 100 })
    one.ack()
    await b.clock.advance(99)
    expect(three.receipts()).toEqual([])
    await b.clock.advance(1)
    const [receipt] = three.receipts()
    expect(receipt?.acknowledged).toEqual([one.ref])
    expect(fromRecord(receipt?.failed[0]?.error as never)).toMatchObject({
      code: 'ERR_CALL_TIMEOUT',
      target: 2,
      method: 'the acknowledgement of news',
      timeout: 100,
      sent: 'maybe',
    })
  })

  test('has a deadline also when the publisher sent none', async () => {
    one.subscribe()
    three.publish({ ref: 7 })
    await b.clock.advance(ACK_TIMEOUT)
    expect(three.receipts()).toHaveLength(1)
  })

  test('counts a subscriber whose link is full as failed at once', () => {
    one.subscribe()
    one.link.full = true
    three.publish({ ref: 7, deadline: 2_000 })
    expect(three.receipts()[0]?.failed).toMatchObject([{ ...one.ref, error: { code: 'ERR_MAILBOX_FULL' } }])
  })

  test('is void when the publisher dies, and leaves nothing behind', () => {
    one.subscribe()
    three.publish({ ref: 7, deadline: 2_000 })
    b.gone(three.endpoint)
    expect(b.broadcast.openReceipts).toBe(0)
    expect(b.clock.armed).toBe(0)
    one.ack()
    expect(three.receipts()).toEqual([])
    expect(b.broadcast.unexpected).toBe(1)
  })

  test('of each publish is its own', () => {
    one.subscribe()
    three.publish({ ref: 7, deadline: 2_000 })
    three.publish({ ref: 8, deadline: 2_000 })
    one.ack()
    expect(three.receipts().map(({ ref }) => ref)).toEqual([8])
  })

  test('ignores, and counts, an acknowledgement that is late, doubled, or from somebody not asked', async () => {
    one.subscribe()
    two.subscribe()
    three.publish({ ref: 7, deadline: b.clock.now() + 100 })
    one.ack()
    one.ack()
    three.ack()
    await b.clock.advance(100)
    two.ack()
    expect(b.broadcast.unexpected).toBe(3)
    expect(three.receipts()).toHaveLength(1)
  })
})
