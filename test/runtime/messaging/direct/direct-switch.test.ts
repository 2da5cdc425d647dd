import { beforeEach, describe, expect, test } from 'vitest'
import type { PartsPayload } from '../../../../src/protocol/binary-parts.js'
import { readPeerBatch } from '../../../../src/protocol/codec.js'
import { toRecord } from '../../../../src/protocol/error-record.js'
import { PayloadError } from '../../../../src/protocol/errors.js'
import type {
  DownFrame,
  MemberRecord,
  MessagingDownFrame,
  PeerFrame,
  UpFrame,
  WireTarget,
} from '../../../../src/protocol/frames.js'
import { encodePayload } from '../../../../src/protocol/payload.js'
import { blockOf, routeIn } from '../../../../src/protocol/routes.js'
import { DEFAULT_LIMITS } from '../../../../src/runtime/limits.js'
import { DirectSwitch } from '../../../../src/runtime/messaging/direct/direct-switch.js'
import type { DirectPort } from '../../../../src/runtime/messaging/direct/meetings.js'
import { Members } from '../../../../src/runtime/messaging/members.js'
import { StreamTransport } from '../../../../src/runtime/transports/stream.js'
import { FakeClock } from '../../../support/fake-clock.js'
import { FakeLogger } from '../../../support/fake-logger.js'
import { FakeStream } from '../../../support/fake-stream.js'

/*
 * Worker 1 (incarnation 1) as the switch under test, and worker 2 (incarnation 2) as a plain transport at the other end of
 * its link. Meeting 5 was dialled by worker 1.
 */
const MEETING = { meeting: 5, with: { id: 2, incarnation: 2 }, path: '/nowhere', secret: 's' }
const theirs = (n: number): number => routeIn(blockOf(5, false), n)
const ours = (n: number): number => routeIn(blockOf(5, true), n)

let clock: FakeClock
let toPrimary: UpFrame[]
let isPrimaryFull: boolean
let delivered: MessagingDownFrame[]
let fromSwitch: PeerFrame[]
let other: StreamTransport<PeerFrame, PeerFrame>
let stream: FakeStream
let members: Members
let switcher: DirectSwitch

const transport = (end: FakeStream): StreamTransport<PeerFrame, PeerFrame> =>
  new StreamTransport<PeerFrame, PeerFrame>(end, {
    read: readPeerBatch,
    limit: 100,
    bytes: 1e6,
    frameLimit: 1e6,
    onMalformed: () => {},
    onUnsendable: () => {},
    onCorrupt: () => {},
  })

beforeEach(() => {
  clock = new FakeClock()
  toPrimary = []
  isPrimaryFull = false
  delivered = []
  fromSwitch = []
  const [left, right] = FakeStream.pair()
  stream = right
  other = transport(right)
  const port: DirectPort = {
    listen: (_, told) => {
      told.listening(true)
      return () => {}
    },
    dial: (_, told) => {
      told.opened(transport(left))
      return () => {}
    },
  }
  members = new Members()
  for (const id of [1, 2]) members.apply({ member: record(id), gone: false, removed: false })
  switcher = new DirectSwitch({
    self: { id: 1, incarnation: 1 },
    primary: {
      send: (frame) => toPrimary.push(frame),
      isFull: () => isPrimaryFull,
      castFlushed: () => undefined,
      publishFlushed: () => undefined,
    },
    port,
    members,
    limits: DEFAULT_LIMITS,
    clock,
    logger: new FakeLogger(),
    deliver: (frame) => delivered.push(frame),
  })
})

function record(id: number): MemberRecord {
  const methods = { charge: { idempotent: true }, echo: {} } as never
  return { id, incarnation: id, pid: 100 + id, state: 'ready', current: true, calls: 0, connections: 0, methods }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await clock.settle()
}

/** The two have met. */
async function link(): Promise<void> {
  other.receive({ frame: (frame) => fromSwitch.push(frame), closed: () => fromSwitch.push({ kind: 'left' }) })
  switcher.receive({ kind: 'dial', ...MEETING })
  other.send({ kind: 'open' })
  await settled()
  toPrimary.length = 0
}

const call = (id: number, method = 'echo') => ({ kind: 'call', id, to: 2, method, payload: '{"plain":[]}' }) as const
const kinds = (frames: readonly { readonly kind: string }[]): string[] => frames.map(({ kind }) => kind)
const invoke = (n: number) =>
  ({ kind: 'invoke', route: theirs(n), from: { id: 9, incarnation: 9 }, method: 'echo', payload: undefined }) as const
const gone: DownFrame = {
  kind: 'gone',
  incarnation: 2,
  ending: { pid: 102, exitCode: null, signal: 'SIGKILL', outOfMemory: 'no', output: '' },
}

describe('a switch without a link', () => {
  test('sends by the primary, and asks it for a link once', () => {
    switcher.send(call(1))
    switcher.send(call(2))
    expect(kinds(toPrimary)).toEqual(['link', 'call', 'call'])
  })

  test('asks for none to itself, to any, to the primary, or to one that is not ready', () => {
    members.apply({ member: { ...record(2), state: 'starting' }, gone: false, removed: false })
    for (const to of [1, 'any', 0, 2] as const) switcher.send({ ...call(1), to })
    expect(kinds(toPrimary)).toEqual(['call', 'call', 'call', 'call'])
  })

  test('asks again after a refusal, but not at once', async () => {
    switcher.send(call(1))
    switcher.receive({ kind: 'undialled', incarnation: 2 })
    switcher.send(call(2))
    expect(kinds(toPrimary)).toEqual(['link', 'call', 'call'])
    await clock.advance(1_500)
    switcher.send(call(3))
    expect(kinds(toPrimary)).toEqual(['link', 'call', 'call', 'link', 'call'])
  })
})

describe('a switch with a link', () => {
  test('is not full for whom it has a link to, when the way by the primary is', async () => {
    isPrimaryFull = true
    expect([0, 1, 2, 'any'].map((to) => switcher.isFull(to as WireTarget))).toEqual([true, true, true, true])
    await link()
    expect([0, 1, 2, 'any'].map((to) => switcher.isFull(to as WireTarget))).toEqual([true, true, false, true])
  })

  test('fences both ways before its first call there, and not before the next', async () => {
    await link()
    switcher.send(call(1))
    switcher.send(call(2))
    await settled()
    expect(toPrimary).toEqual([{ kind: 'fence', peer: 2, n: 1 }])
    expect(kinds(fromSwitch)).toEqual(['fence', 'invoke', 'invoke'])
  })

  test('fences before what goes by the primary after that, a publish as well', async () => {
    await link()
    switcher.send(call(1))
    switcher.send({ kind: 'publish', channel: 'c', payload: undefined, self: true })
    switcher.send({ kind: 'publish', channel: 'c', payload: undefined, self: true })
    switcher.send(call(2))
    await settled()
    expect(kinds(toPrimary)).toEqual(['fence', 'fence', 'publish', 'publish', 'fence'])
    expect(kinds(fromSwitch)).toEqual(['fence', 'invoke', 'fence', 'fence', 'invoke'])
  })

  test('takes an answer from there under its own number', async () => {
    await link()
    switcher.send(call(7))
    other.send({ kind: 'result', id: ours(1), payload: undefined })
    other.send({ kind: 'result', id: ours(2), payload: undefined })
    await settled()
    expect(delivered).toEqual([{ kind: 'result', id: 7, payload: undefined }])
  })

  test('believes the link about who calls, and about the numbers that it may use', async () => {
    await link()
    other.send(invoke(1))
    other.send({ ...invoke(1), route: 3 })
    await settled()
    expect(delivered).toMatchObject([{ kind: 'invoke', route: theirs(1), from: { id: 2, incarnation: 2 } }])
    expect(delivered).toHaveLength(1)
  })

  test('reads nothing behind a fence until that has come by the primary, too, and the other way round', async () => {
    await link()
    other.send({ kind: 'fence', peer: 2, n: 1 })
    other.send(invoke(1))
    await settled()
    expect(delivered).toEqual([])
    switcher.receive({ kind: 'fence', peer: 2, n: 1 })
    await settled()
    expect(kinds(delivered)).toEqual(['invoke'])
    switcher.receive({ kind: 'fence', peer: 2, n: 2 })
    const message = { kind: 'message', channel: 'c', payload: undefined, from: 2 } as const
    expect(switcher.receive(message)).toBe(true)
    expect(delivered).toHaveLength(1)
    other.send({ kind: 'fence', peer: 2, n: 2 })
    await settled()
    expect(delivered.at(-1)).toEqual(message)
  })

  test('a call that is given up while it waits for a fence is never read', async () => {
    await link()
    switcher.receive({ kind: 'fence', peer: 2, n: 1 })
    switcher.receive({ kind: 'invoke', route: 4, from: { id: 2, incarnation: 2 }, method: 'echo', payload: undefined })
    switcher.receive({ kind: 'cancel', id: 4 })
    other.send({ kind: 'fence', peer: 2, n: 1 })
    await settled()
    expect(delivered).toEqual([])
  })
})

describe('the memory of what a call carries as bytes', () => {
  const carry = (id: number): ArrayBufferLike => {
    const payload = encodePayload([Buffer.alloc(100_000)], {
      opaque: true,
      memory: switcher.memoryFor(2),
      limit: 1e6,
      root: 'args',
    })
    switcher.send({ ...call(id), payload })
    return (payload as PartsPayload).parts[0]?.buffer as ArrayBufferLike
  }
  const isUsedAgain = (memory: ArrayBufferLike): boolean => switcher.memoryFor(2)?.take(100_000).buffer === memory

  test('is used again when it has been answered with a value', async () => {
    await link()
    const memory = carry(1)
    await settled()
    expect(isUsedAgain(memory)).toBe(false)
    other.send({ kind: 'result', id: ours(1), payload: undefined })
    await settled()
    expect(isUsedAgain(memory)).toBe(true)
    expect(isUsedAgain(memory)).toBe(false)
  })

  test('is not, when the call was given up, has failed, or was lost: it may be on its way still', async () => {
    await link()
    const memories = [carry(1), carry(2), carry(3)]
    switcher.send({ kind: 'cancel', id: 1 })
    const error = toRecord(new PayloadError({ path: 'args', reason: 'is wrong' }))
    other.send({ kind: 'failure', id: ours(2), error })
    other.send({ kind: 'result', id: ours(1), payload: undefined })
    await settled()
    stream.die()
    await settled()
    switcher.receive(gone)
    await link()
    expect(memories.filter(isUsedAgain)).toEqual([])
  })

  test('is none where it would go by the primary', () => {
    expect(switcher.memoryFor(2)).toBeUndefined()
  })
})

describe('the end of a link', () => {
  test('by the death of the other: its calls end with what the primary knows of it', async () => {
    await link()
    switcher.send(call(1))
    await settled()
    stream.die()
    await settled()
    expect(delivered).toEqual([])
    switcher.receive(gone)
    expect(delivered).toMatchObject([
      {
        kind: 'failure',
        id: 1,
        error: { code: 'ERR_WORKER_GONE', details: { pid: 102, signal: 'SIGKILL', sent: 'maybe' } },
      },
    ])
  })

  test('word of the death first: what the other had written is read before', async () => {
    await link()
    switcher.send(call(1))
    switcher.send(call(2))
    await settled()
    other.send({ kind: 'result', id: ours(1), payload: undefined })
    switcher.receive(gone)
    await settled()
    other.close()
    await settled()
    expect(delivered).toMatchObject([
      { kind: 'result', id: 1 },
      { kind: 'failure', id: 2, error: { code: 'ERR_WORKER_GONE' } },
    ])
  })

  test('a call that may happen twice goes to the primary, with how it was lost', async () => {
    await link()
    switcher.send(call(1, 'charge'))
    stream.die()
    await settled()
    members.apply({ member: { ...record(2), state: 'starting' }, gone: true, removed: false })
    switcher.receive(gone)
    expect(delivered).toEqual([])
    expect(toPrimary.at(-1)).toMatchObject({ ...call(1, 'charge'), lost: { code: 'ERR_WORKER_GONE' } })
  })

  test('what ran for the other is cancelled, and the primary hears of it', async () => {
    await link()
    other.send(invoke(1))
    await settled()
    stream.die()
    await settled()
    expect(delivered.at(-1)).toEqual({ kind: 'cancel', id: theirs(1) })
    expect(toPrimary.at(-1)).toEqual({ kind: 'unlinked', meeting: 5, recent: expect.any(Array) })
  })
})

describe('what is told of a link that has ended', () => {
  const recent = (): unknown => {
    const last = toPrimary.at(-1)
    return last?.kind === 'unlinked' && last.recent?.map(([, ...rest]) => rest)
  }

  test('what has passed there, by names and numbers, and when', async () => {
    await link()
    switcher.send(call(1))
    await settled()
    other.send({ kind: 'result', id: ours(1), payload: '{"plain":"secret"}' })
    other.send(invoke(1))
    await settled()
    stream.die()
    await settled()
    expect(recent()).toEqual([
      [true, 'invoke', ours(1), 'echo'],
      [false, 'result', ours(1), null],
      [false, 'invoke', theirs(1), 'echo'],
    ])
  })

  test('of one that has never come to be, at once', () => {
    switcher.receive({ kind: 'meet', ...MEETING, meeting: 6 })
    switcher.receive(gone)
    expect(toPrimary).toEqual([
      { kind: 'met', meeting: 6, listens: true },
      { kind: 'unlinked', meeting: 6 },
    ])
  })

  test('also when word of the death was first', async () => {
    await link()
    switcher.send(call(1))
    switcher.receive(gone)
    await settled()
    stream.die()
    await settled()
    expect(recent()).toContainEqual([true, 'invoke', ours(1), 'echo'])
  })
})

describe('a worker that is to be removed', () => {
  test('has parted when the others have promised to send no more, and all of theirs is answered', async () => {
    await link()
    other.send(invoke(1))
    await settled()
    switcher.receive({ kind: 'part' })
    await settled()
    expect(kinds(fromSwitch)).toEqual(['leave'])
    other.send({ kind: 'left' })
    await settled()
    expect(kinds(toPrimary)).not.toContain('parted')
    switcher.send({ kind: 'result', id: theirs(1), payload: undefined })
    await settled()
    expect(kinds(fromSwitch)).toEqual(['leave', 'fence', 'result'])
    expect(kinds(toPrimary)).toContain('parted')
  })

  test('has none of its own calls by links any more', async () => {
    await link()
    other.send({ kind: 'leave' })
    await settled()
    expect(kinds(fromSwitch)).toEqual(['left'])
    switcher.send(call(1))
    expect(kinds(toPrimary)).toEqual(['call'])
  })
})
