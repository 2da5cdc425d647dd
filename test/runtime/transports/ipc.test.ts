import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { readUpBatch } from '../../../src/protocol/codec.js'
import { BATCH_TAG, type CancelFrame, type UpFrame } from '../../../src/protocol/frames.js'
import { encodePayload } from '../../../src/protocol/payload.js'
import { IpcTransport } from '../../../src/runtime/transports/ipc.js'
import { channelPair } from '../../support/fake-channel.js'
import { allMicrotasks } from '../../support/fake-clock.js'
import { standing } from '../../support/outcome.js'

const LIMIT = 10
const BYTES = 1_000
const cancel = (id: number): CancelFrame => ({ kind: 'cancel', id })

function open() {
  const [channel, other] = channelPair()
  const malformed: number[] = []
  const options = {
    read: readUpBatch,
    limit: LIMIT,
    bytes: BYTES,
    onMalformed: (count: number) => malformed.push(count),
    onUnsendable: () => {},
  }
  const transport = new IpcTransport<UpFrame, UpFrame>(channel, options)
  const heard: (number | 'closed')[] = []
  const receiver = {
    frame: (frame: UpFrame) => heard.push((frame as CancelFrame).id),
    closed: () => heard.push('closed'),
  }
  return { channel, other, transport, malformed, heard, receiver }
}

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index)

describe('writing', () => {
  test('what is sent in one turn leaves in one message, or in one for every 64', async () => {
    const { transport, channel } = open()
    for (const id of range(1, 5)) transport.send(cancel(id))
    expect(channel.sent).toEqual([])
    await allMicrotasks()
    expect(channel.sent).toEqual([{ cmd: BATCH_TAG, frames: range(1, 5).map(cancel) }])
    for (const id of range(1, 130)) transport.send(cancel(id))
    const lengths = () => channel.sent.slice(1).map((message) => message.frames.length)
    expect(lengths()).toEqual([64, 64])
    await allMicrotasks()
    expect(lengths()).toEqual([64, 64, 2])
  })

  test('a lone frame leaves in the same turn', async () => {
    const { transport, channel } = open()
    transport.send(cancel(1))
    await new Promise<void>((resolve) => process.nextTick(resolve))
    expect(channel.sent).toHaveLength(1)
  })

  test('16 KiB leave within the turn, and what follows at its end', async () => {
    const { transport, channel } = open()
    const large = (id: number): UpFrame => ({ kind: 'result', id, payload: `{"plain":"${'x'.repeat(10_000)}"}` })
    transport.send(large(1))
    expect(channel.sent).toEqual([])
    transport.send(large(2))
    transport.send(cancel(3))
    expect(channel.sent).toEqual([{ cmd: BATCH_TAG, frames: [large(1), large(2)] }])
    await allMicrotasks()
    expect(channel.sent.slice(1)).toEqual([{ cmd: BATCH_TAG, frames: [cancel(3)] }])
  })

  test('two turns make two messages', async () => {
    const { transport, channel } = open()
    transport.send(cancel(1))
    await allMicrotasks()
    transport.send(cancel(2))
    await allMicrotasks()
    expect(channel.sent).toHaveLength(2)
  })

  test('closing writes first what was sent', () => {
    const { transport, channel } = open()
    transport.send(cancel(1))
    transport.close()
    expect(channel.sent).toHaveLength(1)
  })

  test('a channel that throws is taken for one that has ended, and nothing throws', async () => {
    const { transport, channel } = open()
    channel.broken = true
    transport.send(cancel(1))
    await allMicrotasks()
    expect(await standing(Promise.resolve(transport.flushed()))).toBeUndefined()
  })

  test('a process without a channel sends nowhere, and nothing throws', async () => {
    const transport = new IpcTransport<UpFrame, UpFrame>(
      { on: () => {} },
      { read: readUpBatch, limit: 1, bytes: 1e9, onMalformed: () => {}, onUnsendable: () => {} },
    )
    transport.send(cancel(1))
    await allMicrotasks()
    expect(await standing(Promise.resolve(transport.flushed()))).toBeUndefined()
  })
})

describe('congestion', () => {
  /** The channel has said no once. */
  async function congest() {
    const opened = open()
    opened.channel.congested = true
    opened.transport.send(cancel(0))
    await allMicrotasks()
    return opened
  }

  test('frames are held while the channel does not take more', async () => {
    const { transport, channel } = await congest()
    for (const id of range(1, 5)) transport.send(cancel(id))
    await allMicrotasks()
    expect(channel.sent).toHaveLength(1)
  })

  test('the link is full when as many are held as it may hold, and not before', async () => {
    const { transport } = await congest()
    for (const id of range(1, LIMIT - 1)) transport.send(cancel(id))
    expect(transport.full).toBe(false)
    transport.send(cancel(LIMIT))
    expect(transport.full).toBe(true)
  })

  test('what must be sent regardless is taken over the limit', async () => {
    const { transport, channel } = await congest()
    for (const id of range(1, 3 * LIMIT)) transport.send(cancel(id))
    channel.open()
    await allMicrotasks()
    expect(channel.sent.flatMap(({ frames }) => frames)).toHaveLength(3 * LIMIT + 1)
  })

  test('the link is full when as many bytes of payload are held as it may hold, opaque or inline', async () => {
    const text = 'x'.repeat(BYTES / 4)
    for (const opaque of [true, false]) {
      const { transport, channel } = await congest()
      const payload = encodePayload(text, { opaque, limit: BYTES, root: 'args' })
      const call = { kind: 'call', to: 1, method: 'm', payload } as const
      for (let count = 0; count < 3; count++) transport.send(call)
      expect(transport.full).toBe(false)
      transport.send(call)
      expect(transport.full).toBe(true)
      channel.open()
      await allMicrotasks()
      expect(transport.full).toBe(false)
    }
  })

  test('items of streams are counted in what it holds, and do not make it full', async () => {
    const { transport, channel } = await congest()
    transport.send({ kind: 'items', id: 1, first: 0, items: ['x'.repeat(BYTES), null] })
    transport.send({ kind: 'call', to: 1, method: 'm', payload: 'x'.repeat(10) })
    expect(transport.full).toBe(false)
    expect(transport.held).toBe(BYTES + 10)
    channel.open()
    await allMicrotasks()
    expect(transport.held).toBe(0)
  })

  test('a stream ends behind its items, however much else is sent', async () => {
    const { transport, channel } = await congest()
    const items = { kind: 'items', id: 1, first: 0, items: ['x'.repeat(BYTES)] } as const
    const result = { kind: 'result', id: 1, payload: undefined } as const
    for (let first = 0; first < 300; first++) transport.send({ ...items, first })
    transport.send(result)
    channel.open()
    await allMicrotasks()
    const frames = channel.sent.slice(1).flatMap(({ frames }) => frames) as UpFrame[]
    expect(frames.map((frame) => (frame.kind === 'items' ? frame.first : frame.kind))).toEqual([
      ...range(0, 299),
      'result',
    ])
  })

  test('one that waits can be taken back, and the room that it took', async () => {
    const { transport, channel } = await congest()
    const payload = 'x'.repeat(BYTES)
    transport.send(cancel(1))
    transport.send({ kind: 'call', to: 1, method: 'm', payload })
    transport.send(cancel(2))
    expect(transport.full).toBe(true)
    expect(transport.drop(({ kind }) => kind === 'call')).toMatchObject({ payload })
    expect(transport.drop(({ kind }) => kind === 'call')).toBeUndefined()
    expect(transport.full).toBe(false)
    channel.open()
    await allMicrotasks()
    expect(channel.sent.at(-1)?.frames).toEqual([cancel(1), cancel(2)])
  })

  test('when the channel takes more, all arrive in order, in two messages, and the link is full no more', async () => {
    const { transport, channel, other } = await congest()
    const receiving = new IpcTransport<UpFrame, UpFrame>(other, {
      read: readUpBatch,
      limit: LIMIT,
      bytes: 1e9,
      onMalformed: () => {},
      onUnsendable: () => {},
    })
    const heard: number[] = []
    receiving.receive({ frame: (frame) => heard.push((frame as CancelFrame).id), closed: () => {} })
    for (const id of range(1, LIMIT)) transport.send(cancel(id))
    await allMicrotasks()
    channel.open()
    await allMicrotasks()
    expect(heard).toEqual(range(0, LIMIT))
    expect(channel.sent).toHaveLength(2)
    expect(transport.full).toBe(false)
  })

  test('is flushed only when the channel has written all of it', async () => {
    const { transport, channel } = await congest()
    transport.send(cancel(1))
    const flushed = Promise.resolve(transport.flushed())
    expect(await standing(flushed)).toBe('pending')
    channel.open()
    expect(await standing(flushed)).toBeUndefined()
  })

  test('is not flushed while the channel congests again', async () => {
    const { transport, channel } = await congest()
    transport.send(cancel(1))
    const flushed = Promise.resolve(transport.flushed())
    const send = channel.send.bind(channel)
    channel.send = (...args) => {
      channel.congested = true
      return send(...args)
    }
    channel.open()
    expect(await standing(flushed)).toBe('pending')
    channel.open()
    expect(await standing(flushed)).toBeUndefined()
  })

  test('the end of the channel settles the flush and loses what is held', async () => {
    const { transport, channel } = await congest()
    transport.send(cancel(1))
    const flushed = Promise.resolve(transport.flushed())
    channel.disconnect()
    expect(await standing(flushed)).toBeUndefined()
    expect(transport.full).toBe(false)
    expect(channel.sent).toHaveLength(1)
  })
})

describe('reading', () => {
  test('leaves alone what is not ours', () => {
    const { transport, channel, heard, malformed, receiver } = open()
    transport.receive(receiver)
    for (const message of [null, 1, 'x', { cmd: 'NODE_CLUSTER' }, { frames: [cancel(1)] }]) channel.arrive(message)
    expect(heard).toEqual([])
    expect(malformed).toEqual([])
  })

  test('counts what is malformed, and takes the rest', () => {
    const { transport, channel, heard, malformed, receiver } = open()
    transport.receive(receiver)
    channel.arrive({ cmd: BATCH_TAG, frames: [cancel(1), { kind: 'nonsense' }, null, cancel(2)] })
    channel.arrive({ cmd: BATCH_TAG, frames: [cancel(3)] })
    expect(heard).toEqual([1, 2, 3])
    expect(malformed).toEqual([2])
  })

  test('takes nothing after the end', () => {
    const { transport, channel, heard, receiver } = open()
    transport.receive(receiver)
    transport.close()
    channel.arrive({ cmd: BATCH_TAG, frames: [cancel(1)] })
    expect(heard).toEqual(['closed'])
  })
})

describe('a real child process', () => {
  const program = fileURLToPath(new URL('../../contracts/fixtures/echo.mjs', import.meta.url))
  let stop = (): void => {}
  afterEach(() => stop())

  async function start() {
    const child = fork(program, { execArgv: [], env: {} })
    stop = () => void child.kill('SIGKILL')
    // Node drops internal messages that come before anybody listens.
    await once(child, 'message')
    const transport = new IpcTransport<UpFrame, UpFrame>(child, {
      read: readUpBatch,
      limit: 100_000,
      bytes: 1e9,
      onMalformed: () => {},
      onUnsendable: () => {},
    })
    return { child, transport }
  }

  test('gives back every frame once and in order, also while it does not read', async () => {
    const { child, transport } = await start()
    const total = 20_000
    const heard: number[] = []
    const all = new Promise<void>((resolve) => {
      transport.receive({
        frame(frame) {
          heard.push((frame as CancelFrame).id)
          if (heard.length === total) resolve()
        },
        closed: () => {},
      })
    })
    child.send({ block: 100 })
    for (const id of range(1, total)) {
      transport.send(cancel(id))
      if (id % 500 === 0) await allMicrotasks()
    }
    await all
    expect(heard).toEqual(range(1, total))
  })

  test('its death is the end of the link, told once', async () => {
    const { child, transport } = await start()
    const ends: string[] = []
    const closed = new Promise<void>((resolve) => {
      transport.receive({
        frame: () => child.kill('SIGKILL'),
        closed() {
          ends.push('closed')
          resolve()
        },
      })
    })
    transport.send(cancel(1))
    await closed
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    transport.send(cancel(2))
    await allMicrotasks()
    expect(ends).toEqual(['closed'])
  })
})

describe('what cannot be written', () => {
  /** A channel that throws at a message over a length, as a limited one does. */
  function narrow() {
    const [channel] = channelPair()
    const send = channel.send.bind(channel)
    channel.send = (message, ...rest) => {
      if (JSON.stringify(message).length > 200) throw new RangeError('too large')
      return send(message, ...rest)
    }
    const refused: unknown[] = []
    const options = {
      read: readUpBatch,
      limit: LIMIT,
      bytes: 1e6,
      onMalformed: () => {},
      onUnsendable: (error: unknown) => refused.push(error),
    }
    const transport = new IpcTransport<UpFrame, UpFrame>(channel, options, (frame) =>
      frame.kind === 'result' ? { instead: cancel(frame.id) } : { back: cancel(99) },
    )
    return { channel, transport, refused }
  }
  const large = (kind: 'result' | 'publish'): UpFrame =>
    kind === 'result'
      ? { kind, id: 5, payload: 'x'.repeat(300) }
      : { kind, channel: 'c', payload: 'x'.repeat(300), self: true }

  test('takes none of its neighbours with it, and another frame goes in its place', async () => {
    const { channel, transport, refused } = narrow()
    for (const frame of [cancel(1), large('result'), cancel(2)]) transport.send(frame)
    await allMicrotasks()
    expect(channel.sent.flatMap(({ frames }) => frames)).toEqual([cancel(1), cancel(5), cancel(2)])
    expect(refused).toEqual([new RangeError('too large')])
  })

  test('is answered on this side, and not while it is sent', async () => {
    const { transport } = narrow()
    const heard: number[] = []
    transport.receive({ frame: (frame) => heard.push((frame as CancelFrame).id), closed: () => {} })
    transport.sendNow(large('publish'))
    expect(heard).toEqual([])
    await allMicrotasks()
    expect(heard).toEqual([99])
  })

  test('is not what its sender fails at once it is written', () => {
    const { channel, transport, refused } = narrow()
    channel.send = (_message, _handle, _options, callback) => {
      callback(null)
      return true
    }
    const written = (): void => {
      throw new Error("the sender's own")
    }
    expect(() => transport.sendNow(cancel(1), { written })).toThrow("the sender's own")
    expect(refused).toEqual([])
  })

  test('with a handle that could not be sent is told, as one that has got lost is', () => {
    const { channel, transport } = narrow()
    const told: unknown[] = []
    transport.receive({ frame: () => {}, closed: () => {}, handleLost: () => told.push('lost') })
    channel.send = (_message, handle, _options, callback) => {
      callback(handle === 'broken' ? new Error('no descriptor') : null)
      return true
    }
    const written = (error?: Error): void => void told.push(error?.message ?? 'written')
    for (const handle of ['whole', 'broken']) transport.sendNow(cancel(1), { handle, written })
    expect(told).toEqual(['written', 'no descriptor', 'lost'])
  })

  test('with a handle that is thrown at is told so too, once and later', async () => {
    const { transport, refused } = narrow()
    const told: unknown[] = []
    transport.receive({ frame: () => {}, closed: () => {}, handleLost: () => told.push('lost') })
    transport.sendNow(large('publish'), { handle: {}, written: (error) => told.push(error?.message) })
    expect(told).toEqual([])
    await allMicrotasks()
    expect(told).toEqual(['too large', 'lost'])
    expect(refused).toEqual([new RangeError('too large')])
  })

  test('does not leave a congestion that was there without an end', async () => {
    const { channel, transport } = narrow()
    channel.congested = true
    // The first half is taken by a channel that is congested then, the second is thrown at.
    transport.send(cancel(1))
    transport.send(large('publish'))
    await allMicrotasks()
    transport.send(cancel(2))
    channel.open()
    await allMicrotasks()
    expect(channel.sent.flatMap(({ frames }) => frames)).toEqual([cancel(1), cancel(2)])
  })
})
