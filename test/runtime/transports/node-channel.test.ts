import { fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { writeBatch } from '../../../src/protocol/codec.js'
import { BATCH_TAG, type UpFrame } from '../../../src/protocol/frames.js'
import { InlineText } from '../../../src/protocol/payload-forms.js'
import type { WriteRequest } from '../../../src/runtime/transports/channel-handle.js'
import { NodeChannel } from '../../../src/runtime/transports/node-channel.js'
import { whenSent } from '../../../src/runtime/transports/sent-handles.js'

type Callback = (error: Error | null) => void

/** A process whose `send` makes JSON of what it is given and hands it to its pipe, or keeps it behind a socket, as node's does. */
function fakeProcess(hasPipe = true) {
  const written: string[] = []
  const requests: WriteRequest[] = []
  const pipe = {
    onread(_buffer?: ArrayBuffer) {},
    bytesRead: 0,
    /** Bytes that it has not taken; none where node does not say. */
    writeQueueSize: undefined as number | undefined,
    status: 0,
    /** What went along. */
    handles: [] as unknown[],
    writeUtf8String(request: WriteRequest, text: string, handle?: unknown) {
      requests.push(request)
      written.push(text)
      if (handle !== undefined) pipe.handles.push(handle)
      return pipe.status
    },
  }
  const process = {
    connected: true,
    _handleQueue: null as (() => void)[] | null,
    ...(hasPipe && { [Symbol('kChannelHandle')]: pipe }),
    send: vi.fn((message: unknown, _handle?: unknown, _options?: undefined, callback: Callback = () => {}) => {
      const write = (): void => {
        const text = `${JSON.stringify(message)}\n`
        if (hasPipe) pipe.writeUtf8String({}, text)
        else written.push(text)
        callback(null)
      }
      if (process._handleQueue) process._handleQueue.push(write)
      else write()
      return true
    }),
    on() {},
    emit: () => true,
  }
  /** The socket has arrived. */
  const readOn = (): void => {
    const waiting = process._handleQueue ?? []
    process._handleQueue = null
    for (const write of waiting) write()
  }
  return { process, pipe, written, requests, readOn }
}

const cancel = (id: number): UpFrame => ({ kind: 'cancel', id })
const call: UpFrame = {
  kind: 'call',
  id: 1,
  to: 0,
  method: 'm',
  payload: new InlineText('plain', '["x"]'),
  deadline: 8.25,
}

function send(channel: NodeChannel, ...frames: UpFrame[]): void {
  channel.send(writeBatch(frames), undefined, undefined, () => {})
}

/** Node has written once to a pipe that says what it has not taken. */
function warm({ limit = 1_000 } = {}) {
  const fake = fakeProcess()
  fake.pipe.writeQueueSize = 0
  const channel = new NodeChannel(fake.process, limit)
  fake.process.send('the first')
  fake.process.send.mockClear()
  fake.written.length = 0
  return { channel, ...fake }
}

/** What keeps a batch from going past node. */
const NO_WAY: [string, (fake: ReturnType<typeof warm>) => unknown][] = [
  ['that is closed', ({ process }) => Object.assign(process, { connected: false })],
  [
    'of which node does not say whether a socket is under way',
    ({ process }) => Reflect.deleteProperty(process, '_handleQueue'),
  ],
]

describe('a batch', () => {
  test('is written as its own text, in one line', () => {
    const { process, written } = fakeProcess()
    send(new NodeChannel(process, 1_000), call, cancel(2))
    expect(written).toEqual(['{"cmd":"NODE_TROUPE","frames":[["call",1,0,"m",["x"],8],{"kind":"cancel","id":2}]}\n'])
  })

  test('that waits behind a socket is the same one when its turn comes, and in order', () => {
    const { process, written, readOn } = fakeProcess()
    const channel = new NodeChannel(process, 1_000)
    process._handleQueue = []
    for (const id of [1, 2, 3]) send(channel, cancel(id))
    expect(written).toEqual([])
    readOn()
    expect(written.map((line) => JSON.parse(line).frames[0].id)).toEqual([1, 2, 3])
  })

  test('is told to be written by the callback that node calls', () => {
    const { process } = fakeProcess()
    const told: unknown[] = []
    new NodeChannel(process, 1_000).send(writeBatch([cancel(1)]), undefined, undefined, (error) => told.push(error))
    expect(told).toEqual([null])
  })

  test('goes as an object where node keeps its pipe elsewhere', () => {
    const { process, written } = fakeProcess(false)
    send(new NodeChannel(process, 1_000), call)
    expect(JSON.parse(written[0] as string)).toEqual({
      cmd: BATCH_TAG,
      frames: [{ kind: 'call', id: 1, to: 0, method: 'm', payload: { plain: ['x'] }, deadline: 8.25 }],
    })
  })

  test('over the limit is not written, and says so to whoever sends it', () => {
    const { process, written } = fakeProcess()
    const channel = new NodeChannel(process, 80)
    expect(() => send(channel, cancel(1), cancel(2), cancel(3))).toThrow(/larger than 80, the limit/)
    send(channel, cancel(4))
    expect(written).toHaveLength(1)
  })

  test("leaves a program's own messages as they are, also those that look like it", () => {
    const { process, written } = fakeProcess()
    new NodeChannel(process, 1_000)
    for (const message of ['hello', { cmd: 'NODE_TROUPE', line: 1 }, { cmd: 'NODE_TROUPE', line: 'x' }, null])
      process.send(message)
    expect(written.map((line) => JSON.parse(line))).toEqual([
      'hello',
      { cmd: 'NODE_TROUPE', line: 1 },
      { cmd: 'NODE_TROUPE', line: 'x' },
      null,
    ])
  })
})

describe('past `process.send`', () => {
  const sendTold = (channel: NodeChannel, ...ids: number[]) => {
    const told: (Error | null)[] = []
    const taken = channel.send(writeBatch(ids.map(cancel)), undefined, undefined, (error) => told.push(error))
    return { told, taken }
  }

  test('a batch goes straight to the pipe, and is told to be there at once', () => {
    const { channel, process, written } = warm()
    const { told, taken } = sendTold(channel, 1, 2)
    expect(written).toEqual(['{"cmd":"NODE_TROUPE","frames":[{"kind":"cancel","id":1},{"kind":"cancel","id":2}]}\n'])
    expect({ told, taken }).toEqual({ told: [null], taken: true })
    expect(process.send).not.toHaveBeenCalled()
  })

  test('one that comes while a socket is under way waits its turn, and the next goes straight again', () => {
    const { channel, process, written, readOn } = warm()
    process._handleQueue = []
    sendTold(channel, 1)
    sendTold(channel, 2)
    expect(written).toEqual([])
    readOn()
    sendTold(channel, 3)
    expect(written.map((line) => JSON.parse(line).frames[0].id)).toEqual([1, 2, 3])
    expect(process.send).toHaveBeenCalledTimes(2)
  })

  test.each(NO_WAY)('none goes to a channel %s', (_, change) => {
    const fake = warm()
    change(fake)
    sendTold(fake.channel, 1)
    expect(fake.process.send).toHaveBeenCalledTimes(1)
  })

  test('none goes where the pipe does not say what it has not taken', () => {
    const { process } = fakeProcess()
    const channel = new NodeChannel(process, 1_000)
    sendTold(channel, 1)
    sendTold(channel, 2)
    expect(process.send).toHaveBeenCalledTimes(2)
  })

  test('what the pipe takes later is told later, and that it is behind at once', () => {
    const { channel, requests, pipe } = warm()
    pipe.writeQueueSize = 131_071
    const first = sendTold(channel, 1)
    pipe.writeQueueSize = 131_072
    const second = sendTold(channel, 2)
    expect([first, second]).toEqual([
      { told: [], taken: true },
      { told: [], taken: false },
    ])
    requests.at(-2)?.oncomplete?.(0)
    requests.at(-1)?.oncomplete?.(-32)
    expect([first.told, second.told]).toEqual([[null], [expect.any(Error)]])
  })

  test('what the pipe refuses is told as an error, in a turn of its own', async () => {
    const { channel, pipe } = warm()
    pipe.status = -32
    pipe.writeQueueSize = 131_072
    const { told, taken } = sendTold(channel, 1)
    expect({ told, taken }).toEqual({ told: [], taken: false })
    await new Promise(process.nextTick)
    expect(told).toEqual([expect.any(Error)])
  })

  test('the limit holds as ever', () => {
    const { channel, written } = warm({ limit: 80 })
    expect(() => sendTold(channel, 1, 2, 3)).toThrow(/larger than 80, the limit/)
    sendTold(channel, 4)
    expect(written).toHaveLength(1)
  })
})

describe('whatever is sent on the channel', () => {
  function limited(limit: number) {
    const { process, pipe, written } = fakeProcess()
    new NodeChannel(process, limit)
    return { written, write: (text: string) => pipe.writeUtf8String({}, text) }
  }

  test('is written up to the limit in bytes, whatever it spells', () => {
    const { written, write } = limited(9)
    write('123456789')
    write('äöü')
    write('日本語')
    expect(written).toHaveLength(3)
  })

  test.each(['1234567890', 'äöüäö', '日本語x', '😀😀😀'])(
    'is not written over it, and the sender is told: %s',
    (text) => {
      const { written, write } = limited(9)
      expect(() => write(text)).toThrow(RangeError)
      expect(() => write(text)).toThrow(/A message of 1\d bytes is larger than 9, the limit.*limits\.payload/)
      expect(written).toEqual([])
    },
  )
})

describe('a batch with a handle', () => {
  const socket = { close() {} }
  const sendAlong = (channel: NodeChannel, id: number): void =>
    void channel.send(writeBatch([cancel(id)]), socket, undefined, () => {})

  test('goes straight to the pipe, and says which of them it is', () => {
    const { channel, process, pipe, written } = warm()
    sendAlong(channel, 7)
    sendAlong(channel, 8)
    expect(written).toEqual([
      '{"cmd":"NODE_TROUPE","handle":1,"frames":[{"kind":"cancel","id":7}]}\n',
      '{"cmd":"NODE_TROUPE","handle":2,"frames":[{"kind":"cancel","id":8}]}\n',
    ])
    expect(pipe.handles).toEqual([socket, socket])
    expect(process.send).not.toHaveBeenCalled()
  })

  test.each([0, -32])('that the pipe takes later is not closed before, however that ends: %i', (status) => {
    const { channel, pipe, requests } = warm()
    const closed: string[] = []
    sendAlong(channel, 7)
    whenSent(socket, () => closed.push('at once'))
    pipe.writeQueueSize = 100
    sendAlong(channel, 8)
    whenSent(socket, () => closed.push('later'))
    expect(closed).toEqual(['at once'])
    requests.at(-1)?.oncomplete?.(status)
    expect(closed).toEqual(['at once', 'later'])
  })

  test('is not closed before node has sent it either', () => {
    const { pipe } = warm()
    pipe.writeQueueSize = 100
    const request: WriteRequest = {}
    const told: unknown[] = []
    pipe.writeUtf8String(request, 'what node writes', socket)
    whenSent(socket, () => told.push('closed'))
    request.oncomplete = (status) => told.push(status)
    expect(told).toEqual([])
    request.oncomplete(-32)
    expect(told).toEqual(['closed', -32])
  })

  test.each<(typeof NO_WAY)[number]>([
    ...NO_WAY,
    ["with a socket of node's under way", ({ process }) => Object.assign(process, { _handleQueue: [] })],
  ])('is for node to send on a channel %s', (_, change) => {
    const fake = warm()
    change(fake)
    sendAlong(fake.channel, 7)
    expect(fake.process.send).toHaveBeenCalledExactlyOnceWith(
      writeBatch([cancel(7)]),
      socket,
      undefined,
      expect.any(Function),
    )
    expect(fake.pipe.handles).toEqual([])
  })

  test.each([true, false])(
    'is for node to send before it has written, with its pipe there or elsewhere: %s',
    (hasPipe) => {
      const { process } = fakeProcess(hasPipe)
      sendAlong(new NodeChannel(process, 1_000), 7)
      expect(process.send).toHaveBeenCalledExactlyOnceWith(
        writeBatch([cancel(7)]),
        socket,
        undefined,
        expect.any(Function),
      )
    },
  )

  test('comes out with it, whoever has read it', async () => {
    const { pipe } = fakeProcess()
    const process = Object.assign(new EventEmitter(), { connected: true, [Symbol('kChannelHandle')]: pipe })
    const heard: unknown[] = []
    new NodeChannel(process, 1_000, { takesHandles: true }).on('internalMessage', (message, handle) => {
      heard.push(message, handle)
    })
    process.emit('internalMessage', writeBatch([cancel(1)]), socket)
    Object.assign(pipe, { pendingHandle: socket })
    const line = { cmd: BATCH_TAG, handle: 1, frames: [] }
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
    pipe.bytesRead += bytes.length
    pipe.onread(Uint8Array.from(bytes).buffer)
    await new Promise(setImmediate)
    expect(heard).toEqual([writeBatch([cancel(1)]), socket, line, socket])
  })
})

describe('a real child process', () => {
  const program = fileURLToPath(new URL('../../contracts/fixtures/echo.mjs', import.meta.url))
  let stop = (): void => {}
  afterEach(() => stop())

  test('reads the text, its own messages among it, in the order sent', async () => {
    const child = fork(program, { execArgv: [], env: {} })
    stop = () => void child.kill('SIGKILL')
    await once(child, 'message')
    const channel = new NodeChannel(child, 1_000_000)
    const heard: unknown[] = []
    const all = new Promise<void>((resolve) => {
      channel.on('internalMessage', ((message: { frames?: unknown[] }) => {
        if (message.frames) heard.push(...message.frames)
        if (heard.length === 6) resolve()
      }) as never)
    })
    const sends = vi.spyOn(child, 'send')
    send(channel, cancel(1), call)
    child.send({ cmd: 'NODE_OWN', frames: ['between'] } as never)
    send(channel, cancel(2))
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    child.send({ cmd: 'NODE_OWN', frames: ['socket'] } as never, server)
    send(channel, cancel(3))
    await all
    expect(heard).toEqual([cancel(1), ['call', 1, 0, 'm', ['x'], 8], 'between', cancel(2), 'socket', cancel(3)])
    server.close()
    // The first taught the class of requests, two are the program's, and the last came behind a socket: one went past node.
    expect(sends).toHaveBeenCalledTimes(4)
  })
})
