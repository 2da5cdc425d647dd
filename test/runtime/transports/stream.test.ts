import { describe, expect, test } from 'vitest'
import { FRESH_MEMORY, PartsPayload } from '../../../src/protocol/binary-parts.js'
import { readPeerBatch } from '../../../src/protocol/codec.js'
import type { Payload, PeerFrame } from '../../../src/protocol/frames.js'
import { decodePayload, encodePayload } from '../../../src/protocol/payload.js'
import type { InlineText } from '../../../src/protocol/payload-forms.js'
import { sizeOfItem } from '../../../src/protocol/payload-size.js'
import { standInFor } from '../../../src/protocol/unsendable.js'
import { StreamTransport } from '../../../src/runtime/transports/stream.js'
import { allMicrotasks } from '../../support/fake-clock.js'
import { FakeStream } from '../../support/fake-stream.js'

function pair(chunk = Number.POSITIVE_INFINITY) {
  const streams = FakeStream.pair()
  const corrupt: string[] = []
  const unsendable: unknown[] = []
  const [left, right] = streams.map((stream) => {
    stream.chunk = chunk
    const options = {
      read: readPeerBatch,
      limit: 4,
      bytes: 1_000,
      frameLimit: 2_000_000,
      onMalformed: () => {},
      onUnsendable: (error: unknown) => unsendable.push(error),
      onCorrupt: (verdict: string) => corrupt.push(verdict),
    }
    return new StreamTransport<PeerFrame, PeerFrame>(stream, options, standInFor)
  }) as [StreamTransport<PeerFrame, PeerFrame>, StreamTransport<PeerFrame, PeerFrame>]
  const heard: PeerFrame[] = []
  const ends: string[] = []
  right.receive({ frame: (frame) => heard.push(frame), closed: () => ends.push('closed') })
  return { streams, left, right, heard, ends, corrupt, unsendable }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await allMicrotasks()
}

const cancel = (id: number): PeerFrame => ({ kind: 'cancel', id })
const result = (value: unknown, parts = true): PeerFrame => ({
  kind: 'result',
  id: 1,
  payload: encodePayload(value, {
    opaque: false,
    memory: parts ? FRESH_MEMORY : undefined,
    limit: 4_000_000,
    root: 'result',
  }),
})
const decoded = (frame: PeerFrame | undefined): unknown =>
  frame?.kind === 'result' ? decodePayload(frame.payload, 'result') : undefined

const VALUES: Record<string, unknown> = {
  Buffer: Buffer.from('some bytes'),
  'an empty Buffer': Buffer.alloc(0),
  ArrayBuffer: new Uint8Array([1, 2, 3]).buffer,
  DataView: new DataView(new Uint8Array([1, 2, 3]).buffer, 1),
  'a window on more': new Uint8Array([0, 1, 2, 3]).subarray(1, 3),
  Uint8ClampedArray: new Uint8ClampedArray([255]),
  Int16Array: new Int16Array([-1, 5]),
  Float64Array: new Float64Array([-0, Number.NaN, 1e300]),
  BigInt64Array: new BigInt64Array([-1n]),
  many: [new Uint8Array([1]), { at: new Date(0), of: Buffer.from('b') }, new Map([['k', new Int8Array([3])]])],
}

describe('binary values', () => {
  for (const chunk of [Number.POSITIVE_INFINITY, 5])
    test.each(Object.keys(VALUES))(`arrive as what they were: %s, in pieces of ${chunk}`, async (name) => {
      const { left, heard } = pair(chunk)
      left.send(result(VALUES[name]))
      left.send(result(VALUES[name]))
      left.send(cancel(3))
      await settled()
      expect(heard.map(({ kind }) => kind)).toEqual(['result', 'result', 'cancel'])
      expect(decoded(heard[0])).toEqual(VALUES[name])
      expect(decoded(heard[1])).toEqual(VALUES[name])
    })

  const item = (value: unknown) =>
    encodePayload(value, { opaque: true, memory: FRESH_MEMORY, limit: 4_000_000, root: 'item' }) as
      | string
      | PartsPayload

  test.each([5, Number.POSITIVE_INFINITY])('are items of streams, among others, in pieces of %d', async (chunk) => {
    const { left, heard } = pair(chunk)
    const values = [...Object.values(VALUES), 'text', undefined, { plain: 1 }, new Date(0)]
    const items = values.map((value) => (value === undefined ? null : item(value)))
    left.send({ kind: 'items', id: -1, first: 3, items })
    left.send(result(Buffer.from('after')))
    await settled()
    const [frame, last] = heard
    if (frame?.kind !== 'items') throw new Error('no items')
    expect(frame.items.map((one) => decodePayload(one ?? undefined, 'item'))).toEqual(values)
    // By which sender and reader count.
    expect(frame.items.map(sizeOfItem)).toEqual(items.map(sizeOfItem))
    expect(decoded(last)).toEqual(Buffer.from('after'))
  })

  test('are not seen in plain values that look like them', async () => {
    const { left, heard, corrupt } = pair()
    const value = { rich: {}, parts: [3] }
    left.send(result(value))
    const payload = encodePayload([value], { opaque: false, memory: FRESH_MEMORY, limit: 1_000, root: 'args' })
    left.send({ kind: 'invoke', route: 1, from: { id: 1, incarnation: 1 }, method: 'm', payload })
    await settled()
    expect(corrupt).toEqual([])
    expect(decoded(heard[0])).toEqual(value)
    expect(decodePayload((heard[1] as { payload: Payload }).payload, 'args')).toEqual([value])
  })

  test.each([5_000, 65_536, 300_000, Number.POSITIVE_INFINITY])(
    'of many bytes are read to where they belong, in pieces of %d',
    async (chunk) => {
      const { left, heard, streams, corrupt } = pair(chunk)
      const sizes = [100_000, 3, 0, 20_000, 15_000, 250_000]
      const values = sizes.map((size, index) => new Uint8Array(size).fill(index + 1))
      left.send(result(values))
      left.send(cancel(3))
      left.send(result(values[0]))
      await settled()
      expect(heard.map(({ kind }) => kind)).toEqual(['result', 'cancel', 'result'])
      expect(decoded(heard[0])).toEqual(values)
      expect(decoded(heard[2])).toEqual(values[0])
      expect(corrupt).toEqual([])
      // What came in the same read as its header was copied.
      if (chunk === 65_536) expect(streams[1].placed).toBeGreaterThan(200_000)
    },
  )

  test('are as they were when they were encoded', async () => {
    const { left, heard } = pair()
    const value = new Uint8Array([1, 2, 3])
    left.send(result(value))
    value.fill(9)
    await settled()
    expect(decoded(heard[0])).toEqual(new Uint8Array([1, 2, 3]))
  })

  test('become a text where they have to', () => {
    const { payload } = result(VALUES.many) as { payload: unknown }
    expect(payload).toBeInstanceOf(PartsPayload)
    const { payload: inline } = result(VALUES.many, false) as { payload: InlineText }
    expect((payload as PartsPayload).toText()).toBe(inline.text)
  })

  test('cost no memory that has not come', async () => {
    const { streams, corrupt, ends } = pair()
    const rich = '{"json":{"type":"Buffer","part":0},"meta":{"v":2,"values":["binary"]}}'
    streams[0].write(batch(`[{"kind":"result","id":1,"payload":{"rich":${rich},"parts":[1000000000]}}]`))
    await settled()
    expect(corrupt).toEqual(['wrote a batch that names parts that have not come to a direct link'])
    expect(ends).toEqual(['closed'])
  })
})

describe('what cannot be read', () => {
  test.each(['{]', '{}'])('ends the link: %s', async (text) => {
    const { streams, corrupt, ends } = pair()
    streams[0].write(batch(text))
    await settled()
    expect(corrupt).toHaveLength(1)
    expect(ends).toEqual(['closed'])
  })

  test('a length that nobody may write ends the link before it has come', async () => {
    const { streams, corrupt } = pair()
    streams[0].write([Buffer.alloc(8, 0xff)])
    await settled()
    expect(corrupt).toEqual(['wrote a batch of 8589934590 bytes to a direct link'])
  })
})

test('a receiver that throws loses nothing of what came in the same read', async () => {
  const { streams, right, heard } = pair()
  right.receive({
    frame: (frame) => {
      if (heard.push(frame) === 1) throw new Error('a bug of its own')
    },
    closed: () => {},
  })
  const failed = new Promise((resolve) => process.once('uncaughtException', resolve))
  const frames = (...ids: number[]): Uint8Array[] => batch(JSON.stringify(ids.map(cancel)))
  streams[0].write([...frames(1, 2), ...frames(3)])
  expect(await failed).toEqual(new Error('a bug of its own'))
  streams[0].write(frames(4))
  await settled()
  expect(heard).toEqual([1, 2, 3, 4].map(cancel))
})

describe('what is large', () => {
  const large = (id: number): PeerFrame => ({ kind: 'result', id, payload: `{"plain":"${'x'.repeat(10_000)}"}` })

  test('is written within the turn once 16 KiB wait, and only once', async () => {
    const { left, streams, heard } = pair()
    left.send(large(1))
    expect(streams[0].unwritten).toBe(0)
    left.send(large(2))
    const written = streams[0].unwritten
    expect(written).toBeGreaterThan(20_000)
    left.send(cancel(3))
    expect(streams[0].unwritten).toBe(written)
    await settled()
    expect(heard.map((frame) => (frame as { id: number }).id)).toEqual([1, 2, 3])
  })
})

describe('what cannot be written', () => {
  test('takes no other frame with it, and its call ends', async () => {
    const { left, heard, unsendable } = pair()
    left.send(cancel(1))
    left.send({ kind: 'result', id: 2, payload: `"${'x'.repeat(3_000_000)}"` })
    left.send(cancel(3))
    await settled()
    expect(heard.map(({ kind }) => kind)).toEqual(['cancel', 'failure', 'cancel'])
    expect(unsendable).toHaveLength(1)
  })
})

describe('limits', () => {
  test('it is full at so many frames while the stream takes nothing, and so many bytes', async () => {
    const { streams, left } = pair()
    streams[0].stuck = true
    left.send(cancel(0))
    await settled()
    for (let id = 1; id < 4; id++) left.send(cancel(id))
    expect(left.full).toBe(false)
    left.send(cancel(4))
    expect(left.full).toBe(true)
    const flushed = left.flushed()
    streams[0].stuck = false
    streams[0].pump()
    await flushed
    expect(left.full).toBe(false)
    left.send(result('x'.repeat(1_000)))
    expect(left.full).toBe(true)
  })

  test('a reader that is held gets nothing, and then all, in order', async () => {
    const { streams, left, right } = pair()
    const heard: PeerFrame[] = []
    right.receive({
      frame(frame) {
        heard.push(frame)
        if (heard.length === 2) right.hold()
      },
      closed: () => {},
    })
    for (let id = 1; id < 5; id++) left.send(cancel(id))
    await settled()
    expect(heard).toEqual([cancel(1), cancel(2)])
    expect(streams[1].paused).toBe(true)
    left.send(cancel(5))
    left.close()
    await settled()
    right.release()
    await settled()
    expect(heard).toEqual([1, 2, 3, 4, 5].map(cancel))
  })
})

function batch(text: string): Uint8Array[] {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(Buffer.byteLength(text), 0)
  return [head, Buffer.from(text)]
}
