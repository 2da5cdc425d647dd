import fc from 'fast-check'
import { assert, describe, expect, test } from 'vitest'
import { isBatch, type ReadBatch, readDownBatch, readUpBatch, writeBatch } from '../../src/protocol/codec.js'
import { BATCH_TAG, type Batch, type DownFrame, type UpFrame } from '../../src/protocol/frames.js'

/** One good frame of each kind, with every field that it can have. */
const up = {
  call: {
    kind: 'call',
    id: 1,
    cast: 512,
    to: 'any',
    method: 'm',
    payload: { plain: [] },
    deadline: 1.5,
    chain: [[1, 2, 'm']],
    key: 'k',
    stream: { items: 64, bytes: 1_000 },
  },
  result: { kind: 'result', id: 1, payload: '{"plain":1}' },
  failure: { kind: 'failure', id: 1, error: { code: 'ERR_REMOTE', details: {} } },
  cancel: { kind: 'cancel', id: 1 },
  progress: { kind: 'progress', at: 1.5, lag: 0, calls: [{ id: 1, stage: { kind: 'running', ms: 2.5 } }] },
  items: { kind: 'items', id: 1, first: 0, items: ['{"plain":1}', null] },
  credit: { kind: 'credit', id: 1, items: 1, bytes: 11 },
  subscribe: { kind: 'subscribe', channel: 'c', ref: 1 },
  unsubscribe: { kind: 'unsubscribe', channel: 'c' },
  publish: {
    kind: 'publish',
    channel: 'c',
    payload: '{"plain":1}',
    self: true,
    overflow: 'disconnect',
    ref: 1,
    deadline: 1,
  },
  ack: { kind: 'ack', receipt: 1, error: { code: 'ERR_REMOTE', details: {} } },
  hello: { kind: 'hello', version: 1, incarnation: 1 },
  join: { kind: 'join', methods: { m: { idempotent: true } } },
  ready: { kind: 'ready', cause: 'join' },
  listens: { kind: 'listens', addresses: [{ address: null, port: 0, addressType: 4 }] },
  load: { kind: 'load', connections: 0 },
  drained: { kind: 'drained', cut: 0 },
  released: { kind: 'released' },
  health: { kind: 'health', lag: 0.5, rss: 1, heap: 1, requests: 0, debugged: false, inspectable: true },
  listen: {
    kind: 'listen',
    ref: 1,
    index: 0,
    address: null,
    port: -1,
    addressType: 4,
    fd: null,
    flags: 0,
    backlog: 511,
    readableAll: null,
    writableAll: false,
    speaks: 'http',
  },
  unlisten: { kind: 'unlisten', listener: 1 },
  taken: { kind: 'taken', id: 1 },
  refused: { kind: 'refused', id: 1, reason: 'full' },
  live: { kind: 'live', listener: 1, live: 0, room: 'open', brief: 1, strays: 1, exhausted: 1 },
} satisfies { [K in UpFrame['kind']]: UpFrame & { kind: K } }

const member = {
  id: 1,
  incarnation: 1,
  pid: 1,
  state: 'ready',
  current: true,
  calls: 0,
  connections: 0,
  methods: {},
} as const

const down = {
  invoke: {
    kind: 'invoke',
    route: 1,
    from: { id: 1, incarnation: 1 },
    method: 'm',
    payload: 'x',
    deadline: 1,
    chain: [[1, 2, 'm']],
    key: 'k',
    stream: { items: 64, bytes: 1_000 },
  },
  result: up.result,
  failure: up.failure,
  cancel: up.cancel,
  progress: up.progress,
  items: up.items,
  credit: up.credit,
  held: { kind: 'held', id: 1, held: true },
  passed: { kind: 'passed', to: 2, cast: 512, held: true },
  dropped: { kind: 'dropped', to: 'any', cast: 512, error: { code: 'ERR_MAILBOX_FULL', details: {} } },
  subscribed: { kind: 'subscribed', ref: 1 },
  unsubscribed: { kind: 'unsubscribed', channel: 'c' },
  message: { kind: 'message', channel: 'c', payload: 'x', receipt: 1 },
  receipt: {
    kind: 'receipt',
    ref: 1,
    acknowledged: [{ id: 0, incarnation: 0 }],
    failed: [{ id: 1, incarnation: 2, error: { code: 'ERR_REMOTE', details: {} } }],
  },
  welcome: { kind: 'welcome', members: [{ member, gone: false, removed: false }], primary: {} },
  member: { kind: 'member', member, gone: false, removed: false },
  event: { kind: 'event', name: 'ready', detail: {} },
  drain: { kind: 'drain', mode: 'stop', deadline: 1 },
  probe: { kind: 'probe', closeInspector: false },
  release: { kind: 'release', deadline: 1 },
  bound: {
    kind: 'bound',
    ref: 1,
    errno: -98,
    listener: 1,
    path: 'shared',
    sockname: { port: 80 },
    sticky: { by: { cookie: 'sid' }, issue: true, perRequest: false },
  },
  level: { kind: 'level', listener: 1, level: null, ask: true },
  connection: {
    kind: 'connection',
    connection: 6,
    id: 1,
    listener: 1,
    head: 'R0VU',
    peer: { address: '::1', port: 1, family: 'IPv6' },
  },
  awaited: { kind: 'awaited', ids: [1], bounds: [{ ref: 1, listener: 1 }] },
  candidates: { kind: 'candidates', listener: 1, ids: [1] },
} satisfies { [K in DownFrame['kind']]: DownFrame & { kind: K } }

interface Direction {
  readonly direction: string
  readonly read: (batch: Batch<unknown>) => ReadBatch<UpFrame | DownFrame>
  readonly good: readonly (UpFrame | DownFrame)[]
}
const directions: Direction[] = [
  { direction: 'up', read: readUpBatch, good: Object.values(up) },
  { direction: 'down', read: readDownBatch, good: Object.values(down) },
]

/** As the channel carries it. */
const carried = (batch: unknown): Batch<unknown> => JSON.parse(JSON.stringify(batch)) as Batch<unknown>

test('a batch is a message that Node gives to nobody but us', () => {
  expect(writeBatch([up.cancel])).toEqual({ cmd: BATCH_TAG, frames: [up.cancel] })
  expect(BATCH_TAG).toMatch(/^NODE_/)
})

test('a batch may come with the receipt for a handle that Node writes anyhow', () => {
  expect(isBatch({ cmd: 'NODE_HANDLE_ACK', frames: [up.cancel] })).toBe(true)
})

test.each<[string, unknown]>([
  ['null', null],
  ["Node's receipt alone", { cmd: 'NODE_HANDLE_ACK' }],
  ['a text', 'NODE_TROUPE'],
  ['a list', [{ cmd: BATCH_TAG }]],
  ["a user's message", { cmd: 'start' }],
  ["a message of Node's cluster", { cmd: 'NODE_CLUSTER', act: 'online' }],
])('%s is no batch', (_, message) => {
  expect(isBatch(message)).toBe(false)
})

describe.each(directions)('$direction', ({ read, good }) => {
  test.each(good.map((frame) => [frame.kind, frame] as const))('takes a good %s', (_, frame) => {
    const { frames, malformed } = read(carried(writeBatch([frame])))
    expect(frames).toEqual([carried(frame)])
    expect(malformed).toBe(0)
  })

  const fields = good.flatMap((frame) =>
    Object.keys(frame)
      .filter((field) => field !== 'kind')
      .map((field) => ({ kind: frame.kind, field, frame })),
  )
  test.each(fields)('drops a $kind whose $field is of another kind', ({ frame, field }) => {
    for (const wrong of [[[7]], Symbol.iterator.toString().length * -1.5]) {
      const { frames, malformed } = read(carried(writeBatch([{ ...frame, [field]: wrong }])))
      // A time is any number.
      if (['deadline', 'at', 'lag', 'rss', 'heap'].includes(field) && typeof wrong === 'number') continue
      expect(frames).toEqual([])
      expect(malformed).toBe(1)
    }
  })

  test('drops an unknown kind, and one that every object inherits', () => {
    for (const kind of ['other', 'constructor', '__proto__', 'toString'])
      expect(read(carried({ cmd: BATCH_TAG, frames: [{ kind }] }))).toEqual({ frames: [], malformed: 1 })
  })

  test('drops a batch without a list of frames', () => {
    for (const frames of [undefined, null, {}, 'x', { length: 1 }])
      expect(read(carried({ cmd: BATCH_TAG, frames }))).toEqual({ frames: [], malformed: 1 })
  })

  test('keeps the rest of a batch, in order, whatever stands between', () => {
    const frame = fc.constantFrom(...good)
    const garbage = fc.jsonValue().filter((value) => !isFrameLike(value))
    fc.assert(
      fc.property(fc.array(fc.oneof(frame, garbage), { maxLength: 12 }), (mixed) => {
        const { frames, malformed } = read(carried({ cmd: BATCH_TAG, frames: mixed }))
        const expected = mixed.filter(isFrameLike)
        assert.deepEqual(frames, carried(expected) as never)
        assert.equal(malformed, mixed.length - expected.length)
      }),
    )
  })

  test('never throws, and counts every frame, whatever is changed in good ones', () => {
    const mutated = fc
      .tuple(fc.constantFrom(...good), fc.array(fc.tuple(fc.string(), fc.jsonValue()), { maxLength: 2 }), fc.nat())
      .chain(([frame, extra, pick]) =>
        fc.jsonValue().map((value) => {
          const names = Object.keys(frame)
          return { ...frame, ...Object.fromEntries(extra), [names[pick % names.length] as string]: value }
        }),
      )
    fc.assert(
      fc.property(fc.array(mutated, { maxLength: 8 }), (batch) => {
        const { frames, malformed } = read(carried({ cmd: BATCH_TAG, frames: batch }))
        assert.equal(frames.length + malformed, batch.length)
      }),
      { numRuns: 500 },
    )
  })
})

function isFrameLike(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value
}

test('drops an answer down to a publisher that says nothing of why somebody failed', () => {
  for (const failed of [[{}], [{ id: 1, incarnation: 1 }], [{ id: 1, incarnation: 1, error: 'x' }]]) {
    const { malformed } = readDownBatch(carried(writeBatch([{ ...down.receipt, failed }])))
    expect(malformed).toBe(1)
  }
})

test('takes a cast: a call without a number, a deadline and arguments', () => {
  expect(readUpBatch(carried(writeBatch([{ kind: 'call', to: 0, method: 'm' }]))).malformed).toBe(0)
})

test.each([-1, 1.5, 'primary', null, Number.MAX_SAFE_INTEGER + 1])('drops a call to %s', (to) => {
  expect(readUpBatch(carried(writeBatch([{ kind: 'call', to, method: 'm' }]))).malformed).toBe(1)
})
