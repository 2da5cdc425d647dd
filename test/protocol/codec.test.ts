import fc from 'fast-check'
import { assert, describe, expect, test } from 'vitest'
import {
  batchText,
  isBatch,
  type ReadBatch,
  readDownBatch,
  readPeerBatch,
  readUpBatch,
  writeBatch,
} from '../../src/protocol/codec.js'
import { BATCH_TAG, type Batch, type DownFrame, type Payload, type UpFrame } from '../../src/protocol/frames.js'
import { decodePayload, encodePayload } from '../../src/protocol/payload.js'

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
  link: { kind: 'link', incarnation: 2 },
  met: { kind: 'met', meeting: 1, listens: true },
  unlinked: {
    kind: 'unlinked',
    meeting: 1,
    corrupt: 'wrote nothing',
    recent: [
      [1.5, true, 'invoke', -7, 'charge'],
      [2, false, 'leave', null, null],
    ],
  },
  parted: { kind: 'parted' },
  busy: { kind: 'busy', calls: 1, served: 2 },
  fence: { kind: 'fence', peer: 2, n: 1 },
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
  message: { kind: 'message', channel: 'c', payload: '{"plain":1}', receipt: 1 },
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
  meet: { kind: 'meet', meeting: 1, with: { id: 1, incarnation: 1 }, path: '/tmp/1', secret: 's' },
  dial: { kind: 'dial', meeting: 1, with: { id: 2, incarnation: 2 }, path: '/tmp/1', secret: 's' },
  undialled: { kind: 'undialled', incarnation: 2 },
  part: { kind: 'part' },
  gone: { kind: 'gone', incarnation: 2, ending: { pid: 1, exitCode: null, signal: 'SIGKILL' } },
  fence: { kind: 'fence', peer: 2, n: 1 },
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

describe('as the text of one line', () => {
  const read = (frames: readonly (UpFrame | DownFrame)[]): Batch<unknown> =>
    JSON.parse(batchText(writeBatch(structuredClone(frames)))) as Batch<unknown>
  /** Times travel in whole milliseconds. */
  const arrives = (frame: object): object =>
    'deadline' in frame && ['call', 'invoke'].includes((frame as UpFrame).kind)
      ? { ...frame, deadline: Math.floor(frame.deadline as number) }
      : frame

  test('every frame of a worker comes back equal, alone and among others', () => {
    for (const frame of Object.values(up)) expect(readUpBatch(read([frame])).frames).toEqual([arrives(frame)])
    expect(readUpBatch(read(Object.values(up)))).toEqual({ frames: Object.values(up).map(arrives), malformed: 0 })
  })

  test('every frame of the primary comes back equal, alone and among others', () => {
    for (const frame of Object.values(down)) expect(readDownBatch(read([frame])).frames).toEqual([arrives(frame)])
    expect(readDownBatch(read(Object.values(down)))).toEqual({ frames: Object.values(down).map(arrives), malformed: 0 })
  })

  test('a call that was lost says so, and the next with its chain does not', () => {
    const chain = [[1, 2, 'm']] as const
    const lost = { code: 'ERR_WORKER_GONE', details: {} }
    const call = { kind: 'call', id: 1, to: 2, method: 'm', payload: '{}', chain } as const
    const calls: UpFrame[] = [call, { ...call, id: 2, lost }, { ...call, id: 3 }, { ...call, id: 4, lost }]
    const { frames } = readUpBatch(JSON.parse(batchText(writeBatch(structuredClone(calls)))) as Batch<unknown>)
    expect(frames.map((frame) => (frame as { lost?: unknown }).lost)).toEqual([undefined, lost, undefined, lost])
    expect(frames.map((frame) => (frame as { chain?: unknown }).chain)).toEqual([chain, chain, chain, chain])
  })

  const encoded = (value: unknown): Payload => encodePayload(value, { opaque: false, limit: 1_000, root: 'value' })

  test('a plain value that was encoded here has no form around it, and comes back in one', () => {
    for (const value of [0, '', null, [], [[1]], { plain: 1 }]) {
      const json = JSON.stringify(value)
      const frames = [
        { kind: 'invoke', route: 1, from: { id: 0, incarnation: 0 }, method: 'm', payload: encoded([value]) },
        { kind: 'result', id: 1, payload: encoded(value) },
        { kind: 'message', channel: 'c', payload: encoded(value), receipt: 3, from: 2 },
      ] as const
      const text = batchText(writeBatch(frames))
      expect(text).toContain(`["invoke",1,0,0,"m",[${json}],null],["value",1,${json}],["published","c",${json},3,2]`)
      const { frames: read, malformed } = readDownBatch(JSON.parse(text) as Batch<unknown>)
      expect(malformed).toBe(0)
      const values = read.map((frame) => decodePayload((frame as { payload: Payload }).payload, 'value'))
      expect(values).toEqual([[value], value, value])
    }
  })

  test('a call is not taken for the one before it', () => {
    const invoke = (from: number, method: string, deadline?: number): DownFrame => ({
      kind: 'invoke',
      route: 1,
      from: { id: from, incarnation: from },
      method,
      payload: { plain: [] },
      deadline,
    })
    const long = 'm'.repeat(10_000)
    const frames = [
      invoke(1, 'a', 5),
      invoke(1, 'b', 5),
      invoke(2, 'b', 6),
      invoke(2, 'b'),
      invoke(2, long, 7),
      invoke(2, 'b', 7),
    ]
    expect(readDownBatch(read(frames)).frames).toEqual(frames)
  })

  test('a message is written once, however many get it', () => {
    let times = 0
    const payload = { toJSON: () => ({ plain: ++times }) } as unknown as Payload
    const frame: DownFrame = { kind: 'message', channel: 'c', payload, receipt: undefined, from: 2 }
    const texts = [1, 2, 3].map(() => batchText(writeBatch([frame])))
    expect(new Set(texts).size).toBe(1)
    expect(times).toBe(1)
  })

  test('arguments that are no list keep their form', () => {
    const invoke: DownFrame = {
      kind: 'invoke',
      from: { id: 0, incarnation: 0 },
      method: 'm',
      payload: encoded({ length: 1 }),
    }
    const { frames } = readDownBatch(JSON.parse(batchText(writeBatch([invoke]))) as Batch<unknown>)
    expect(frames).toEqual([{ ...invoke, payload: { plain: { length: 1 } } }])
  })

  test('what is absent stays absent', () => {
    const cast: UpFrame = { kind: 'call', to: 1, method: 'm', payload: undefined }
    const invoke: DownFrame = { kind: 'invoke', from: { id: 0, incarnation: 0 }, method: 'm', payload: undefined }
    const result: UpFrame = { kind: 'result', id: 7, payload: undefined }
    expect(readUpBatch(read([cast, result])).frames).toEqual([cast, result])
    expect(readDownBatch(read([invoke])).frames).toEqual([invoke])
  })

  test('what another process calls a payload is a text in the text, whatever it says', () => {
    for (const payload of ['"],["message","news",1]', 'NaN', '', '{']) {
      const frames: DownFrame[] = [
        { kind: 'message', channel: 'news', payload, receipt: undefined, from: 2 },
        { kind: 'invoke', route: 1, from: { id: 1, incarnation: 1 }, method: 'm', payload },
        { kind: 'result', id: 1, payload },
      ]
      expect(readDownBatch(read(frames)).frames).toEqual(frames)
    }
  })

  test('names need not be short, or few, or harmless', () => {
    for (let count = 0; count < 1_000; count++) {
      const method = `"${count}\\\n${'é'.repeat(count % 7)}`
      const call: UpFrame = { kind: 'call', to: 1, method, payload: '{}' }
      expect(readUpBatch(read([call])).frames).toEqual([call])
    }
  })

  test('names the handle that comes along, and what goes with one has a short form', () => {
    const peer = { address: '::1', port: 1, family: 'IPv6' }
    const names = { kind: 'connection', id: 1, connection: 2, listener: 3 } as const
    const frames = [names, { ...names, head: 'R0VU' }, { ...names, peer }, { ...names, head: 'R0VU', peer }]
    const text = batchText(writeBatch(frames), 17)
    expect(text).toMatch(/^{"cmd":"NODE_TROUPE","handle":17,"frames":\[\["connection",1,2,3\],/)
    expect(readDownBatch(JSON.parse(text)).frames).toEqual(frames)
    expect(batchText(writeBatch([{ kind: 'taken', id: 1 }]))).toBe('{"cmd":"NODE_TROUPE","frames":[["taken",1]]}')
  })

  const connection: unknown[] = ['connection', 1, 2, 3]
  const call: unknown[] = ['call', 1, 2, 'm', null, 5]
  const invoke: unknown[] = ['invoke', 1, 1, 1, 'm', null, 5]
  const message: unknown[] = ['message', 'c', { plain: 1 }, null, null]
  const wrong = {
    call: [-1, 'x', {}],
    rest: [{ chain: 1 }, { key: 1 }, { stream: {} }, { cast: -1 }, { chain: [[1]] }],
  }
  const lists: unknown[][] = [
    [],
    ['nonsense', 1],
    ['call'],
    ['invoke'],
    ['result'],
    ['result', 1.5],
    ['result', 1, 5],
    ['result', 1, []],
    ['value'],
    ['value', 1],
    ['value', 1.5, 5],
    ['published', 1, 5],
    ['published', 'c'],
    ['published', 'c', 5, -1],
    [['call']],
    ...wrong.call.map((id) => call.with(1, id)),
    ...[-1, 'all', null].map((to) => call.with(2, to)),
    ...[null, 1].map((method) => call.with(3, method)),
    ...[1, true].map((payload) => call.with(4, payload)),
    ...['x', {}].map((deadline) => call.with(5, deadline)),
    ...wrong.rest.map((rest) => [...call, rest]),
    ...[1.5, 'x', {}].map((route) => invoke.with(1, route)),
    ...[null, -1, 'x'].map((id) => invoke.with(2, id)),
    ...[null, -1, 'x'].map((incarnation) => invoke.with(3, incarnation)),
    ...[null, 1].map((method) => invoke.with(4, method)),
    ...[1, true].map((payload) => invoke.with(5, payload)),
    ...['x', {}].map((deadline) => invoke.with(6, deadline)),
    ...wrong.rest.slice(0, 3).map((rest) => [...invoke, rest]),
    ...[1, 2, 3].flatMap((index) => [-1, 1.5, 'x', null].map((number) => connection.with(index, number))),
    ...[1, {}].map((head) => [...connection, head]),
    ...['x', {}, { address: 1 }].map((peer) => [...connection, 'R0VU', peer]),
    ...[-1, 1.5, 'x', null].map((id) => ['taken', id]),
    ...[null, 1].map((channel) => message.with(1, channel)),
    ...[1, true, []].map((payload) => message.with(2, payload)),
    ...wrong.call.map((receipt) => message.with(3, receipt)),
    ...wrong.call.map((from) => message.with(4, from)),
  ]

  test.each(lists.map((list) => [JSON.stringify(list), list] as const))('%s is malformed', (_, list) => {
    const batch = { cmd: BATCH_TAG, frames: [list] } as const
    const isDown = ['invoke', 'message', 'published', 'connection'].includes(list[0] as string)
    const reader = isDown ? readDownBatch : readUpBatch
    expect(reader(batch)).toEqual({ frames: [], malformed: 1 })
    if (list[0] === 'value') expect(readDownBatch(batch)).toEqual({ frames: [], malformed: 1 })
  })

  test('what has passed on a link is told as anybody keeps it', () => {
    const unlinked = (recent: unknown) =>
      readUpBatch({ cmd: BATCH_TAG, frames: [{ kind: 'unlinked', meeting: 1, recent }] }).malformed
    const passed = [1, true, 'invoke', -5, 'charge']
    expect(unlinked(Array(64).fill(passed))).toBe(0)
    expect(unlinked(Array(65).fill(passed))).toBe(1)
    const long = 'x'.repeat(257)
    const wrong = [[Number.NaN], [1, 1], [1, true, long], [1, true, 'a', 0.5], [1, true, 'a', 1, long], 'x', null]
    for (const one of wrong) expect(unlinked([passed, one])).toBe(1)
  })

  test('items with parts come on links alone, each with what it claims', () => {
    const part = new Uint8Array(3)
    const items = (item: unknown) => ({ kind: 'items', id: -1, first: 0, items: ['{"plain":1}', item] })
    const right = { rich: {}, parts: [part], size: 3 }
    expect(readPeerBatch([items(right)]).malformed).toBe(0)
    expect(readUpBatch({ cmd: BATCH_TAG, frames: [items(right)] }).malformed).toBe(1)
    const wrong = [{ size: 2 }, { size: -1 }, { size: undefined }, { parts: [3] }, { parts: part }, { rich: undefined }]
    for (const fields of wrong) expect(readPeerBatch([items({ ...right, ...fields })]).malformed).toBe(1)
  })

  test('nobody may send what only the other side may', () => {
    expect(readUpBatch({ cmd: BATCH_TAG, frames: [invoke, message, connection] }).malformed).toBe(3)
    expect(readPeerBatch([message, connection, ['taken', 1]]).malformed).toBe(3)
    expect(readDownBatch({ cmd: BATCH_TAG, frames: [call, ['taken', 1]] }).malformed).toBe(2)
  })
})
