import { EventEmitter } from 'node:events'
import { describe, expect, test } from 'vitest'
import { BATCH_TAG } from '../../../src/protocol/frames.js'
import { ChannelGuard } from '../../../src/runtime/transports/channel-guard.js'
import { ReadPace } from '../../../src/runtime/transports/read-pace.js'
import { inLargerBuffer } from '../../support/stale-buffer.js'

/** The pipe under a child's channel, as far as node uses it: a line that is no JSON throws where it is read. */
class Pipe {
  pendingHandle: unknown = null
  bytesRead = 0
  #length = 0
  readonly lines: unknown[] = []
  ended = false
  onread = (buffer: ArrayBuffer | undefined): void => {
    this.pendingHandle = null
    if (buffer === undefined) this.ended = true
    else {
      const text = Buffer.from(buffer, 0, this.#length).toString()
      for (const line of text.split('\n').slice(0, -1)) this.lines.push(JSON.parse(line))
    }
  }
  readStart = (): number => 0
  readStop = (): number => 0
  writeUtf8String = (): number => 0

  read(text: string, handle: unknown = null): void {
    this.pendingHandle = handle
    const bytes = Buffer.from(text)
    this.#length = bytes.length
    this.bytesRead += bytes.length
    this.onread(inLargerBuffer(bytes))
  }
}

class Handle {
  closed = 0
  close(): void {
    this.closed++
  }
}

class Child extends EventEmitter {
  _handleQueue: unknown = null
}

function guarded(limit = 1_000) {
  const pipe = new Pipe()
  const child = Object.assign(new Child(), { [Symbol('kChannelHandle')]: pipe })
  const verdicts: string[] = []
  const dropped: string[] = []
  const threw: unknown[] = []
  const internal: unknown[] = []
  child.on('internalMessage', (message) => internal.push(message))
  const guard = new ChannelGuard(child, {
    limit,
    pace: new ReadPace(),
    corrupt: (verdict) => verdicts.push(verdict),
    dropped: (what) => dropped.push(what),
    listenerThrew: (error) => threw.push(error),
  })
  return { pipe, child, guard, verdicts, dropped, threw, internal }
}

describe('before node parses', () => {
  test('lines of any cut pass as they are, up to the limit', () => {
    const { pipe, verdicts } = guarded(10)
    pipe.read('0\n')
    pipe.read('"12345678"\n1\n')
    expect(pipe.lines).toEqual([0, '12345678', 1])
    expect(verdicts).toEqual([])
  })

  test.each([
    ['in one piece', ['"1234567890"\n']],
    ['without an end', ['"12345', '67890']],
    ['after others', ['1\n1\n"123456789']],
    ['with its end in the next chunk', ['1\n"1234', '567890"\n1\n']],
  ])('a line over the limit is corrupt, and node never sees its end: %s', (_, chunks) => {
    const { pipe, verdicts } = guarded(9)
    const parse = pipe.lines.length
    for (const chunk of chunks) pipe.read(chunk)
    expect(verdicts).toEqual(['has written a message of more than 9 bytes to its channel, the limit'])
    expect(pipe.lines.length).toBeLessThanOrEqual(parse + 2)
  })

  test('what is no JSON is corrupt, told once, and nothing is read after it but the end', () => {
    const { pipe, verdicts } = guarded()
    pipe.read('1\ngarbage\n')
    pipe.read('2\n')
    pipe.read('more garbage\n')
    expect(verdicts).toHaveLength(1)
    expect(verdicts[0]).toMatch(/^has written to its channel what is no message \(.*JSON/)
    expect(pipe.lines).toEqual([1])
    pipe.onread(undefined)
    expect(pipe.ended).toBe(true)
  })

  test('a handle that arrives after that is closed, and one that waited for its message', () => {
    const { pipe } = guarded()
    const [waits, late] = [new Handle(), new Handle()]
    pipe.read('1\n', waits)
    pipe.read('garbage\n')
    pipe.read('2\n', late)
    expect([waits.closed, late.closed]).toEqual([1, 1])
  })

  test('a second handle before the message of the first is corrupt, and both are closed', () => {
    const { pipe, verdicts } = guarded()
    const [first, second] = [new Handle(), new Handle()]
    pipe.read('1\n', first)
    pipe.read('1\n', second)
    expect(verdicts).toEqual(['has sent a handle without a message'])
    expect([first.closed, second.closed]).toEqual([1, 1])
  })

  test('a handle whose message never came is closed at the end', () => {
    const { pipe } = guarded()
    const handle = new Handle()
    pipe.read('{"cmd":', handle)
    pipe.onread(undefined)
    expect(handle.closed).toBe(1)
  })

  test('a process whose channel is elsewhere is guarded after node has parsed, and says so', () => {
    const child = new Child()
    const dropped: string[] = []
    const options = { limit: 1, pace: new ReadPace(), corrupt() {}, dropped: (what: string) => dropped.push(what) }
    const guard = new ChannelGuard(child, { ...options, listenerThrew() {} })
    expect(guard.guardsLines).toBe(false)
    child.emit('internalMessage', { cmd: 'NODE_CLUSTER', act: 'toString' })
    expect(dropped).toEqual(['NODE_CLUSTER toString'])
  })
})

describe('before node believes', () => {
  test('frames pass; a handle that comes with them is closed', () => {
    const { child, internal, dropped } = guarded()
    const batch = { cmd: BATCH_TAG, frames: [] }
    const handle = new Handle()
    child.emit('internalMessage', batch)
    child.emit('internalMessage', batch, handle)
    expect(internal).toEqual([batch, batch])
    expect(handle.closed).toBe(1)
    expect(dropped).toEqual([BATCH_TAG])
  })

  test('a handle that has its message is the business of whoever gets that', () => {
    const { pipe, child, internal } = guarded()
    const handle = new Handle()
    pipe.read('1\n', handle)
    const message = { cmd: 'NODE_HANDLE', type: 'net.Native', msg: 1 }
    child.emit('internalMessage', message, handle)
    pipe.onread(undefined)
    expect(internal).toEqual([message])
    expect(handle.closed).toBe(0)
  })

  test('what node throws over is corrupt, and its handle is closed', () => {
    const { child, verdicts } = guarded()
    child.on('internalMessage', () => {
      throw new Error('assertion')
    })
    const handle = new Handle()
    child.emit('internalMessage', { cmd: 'NODE_HANDLE', type: 'net.Native', msg: 1 }, handle)
    expect(verdicts).toEqual(['has sent a message that node refuses (assertion)'])
    expect(handle.closed).toBe(1)
  })

  test.each([
    ['listens', 0, 'pass'],
    ['cannot listen', -22, 'corrupt'],
  ])('a server whose handle %s', (_, errno, expected) => {
    const { child, internal, verdicts } = guarded()
    const handle = Object.assign(new Handle(), { listen: () => errno })
    child.emit('internalMessage', { cmd: 'NODE_HANDLE', type: 'net.Server', msg: 1 }, handle)
    expect(expected === 'pass' ? internal : verdicts).toHaveLength(1)
    expect(handle.closed).toBe(expected === 'pass' ? 0 : 1)
  })

  test('sockets of more servers than a program has are corrupt', () => {
    const { child, verdicts } = guarded()
    for (let key = 0; key <= 1_024; key++)
      child.emit('internalMessage', { cmd: 'NODE_HANDLE', type: 'net.Socket', msg: 1, key: String(key) }, new Handle())
    expect(verdicts).toEqual(['has sent a handle that cannot be used'])
  })
})

describe("the program's own messages", () => {
  test.each([[null], [undefined], [0], ['text'], [{ cmd: 'x' }]])('%j passes untouched', (message) => {
    const { child } = guarded()
    const heard: unknown[] = []
    child.on('message', (...values) => heard.push(values))
    child.emit('message', message, undefined)
    expect(heard).toEqual([[message, undefined]])
  })

  test('a listener that throws is told of, and the next message still comes', () => {
    const { child, threw, verdicts } = guarded()
    child.on('message', (message) => {
      if (message === null) throw new TypeError('null')
    })
    expect(() => child.emit('message', null)).not.toThrow()
    child.emit('message', 1)
    expect(threw).toEqual([new TypeError('null')])
    expect(verdicts).toEqual([])
  })

  test('a socket that they bring ends nobody by an error that nobody listens for', () => {
    const { child } = guarded()
    const socket = new EventEmitter()
    child.emit('message', 'a socket', socket)
    expect(() => socket.emit('error', new Error('reset'))).not.toThrow()
  })

  test('other events pass', () => {
    const { child } = guarded()
    expect(child.emit('exit', 0, null)).toBe(false)
    expect(() => child.emit('error', new Error('spawn'))).toThrow('spawn')
  })
})
