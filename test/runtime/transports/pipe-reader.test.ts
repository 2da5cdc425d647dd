import { EventEmitter } from 'node:events'
import { StringDecoder } from 'node:string_decoder'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ChannelHandle } from '../../../src/runtime/transports/channel-handle.js'
import { PipeReader } from '../../../src/runtime/transports/pipe-reader.js'
import { inLargerBuffer } from '../../support/stale-buffer.js'

/** What was read at a time, with the descriptor that came along. */
interface Read {
  readonly bytes: Buffer
  readonly handle?: unknown
}

/** A process whose pipe node reads: it joins, splits and emits, and gives a handle to the next line that asks for one, as node's does. */
function fakeProcess({ takesHandles = true } = {}) {
  const process = new EventEmitter()
  /** What node itself had to read. */
  const seen: string[] = []
  const decoder = new StringDecoder()
  let unfinished = ''
  let pending: unknown
  let length = 0
  const pipe = {
    pendingHandle: undefined as unknown,
    bytesRead: 0,
    onread(buffer: ArrayBuffer | undefined) {
      if (!buffer) return
      const handle = pipe.pendingHandle ?? undefined
      pipe.pendingHandle = null
      if (handle) pending = handle
      const text = decoder.write(Buffer.from(buffer, 0, length))
      seen.push(text)
      const lines = (unfinished + text).split('\n')
      unfinished = lines.pop() as string
      for (const line of lines) {
        const message = JSON.parse(line)
        const isAsked = message.cmd === 'NODE_HANDLE'
        process.emit('internalMessage', message, isAsked ? pending : undefined)
        if (isAsked) pending = undefined
      }
    },
  }
  const reader = new PipeReader(process, pipe as unknown as ChannelHandle, takesHandles)
  /** What was emitted, with the handle that its listener gets. */
  const heard: [unknown, unknown][] = []
  process.on('internalMessage', (message, handle) => heard.push([message, handle ?? reader.handleOf(message)]))
  const feed = (bytes: Buffer): void => {
    length = bytes.length
    pipe.bytesRead += length
    pipe.onread(inLargerBuffer(bytes))
  }
  const read = async (...reads: (string | Read)[]): Promise<void> => {
    for (const one of reads) {
      const { bytes, handle } = typeof one === 'string' ? { bytes: Buffer.from(one), handle: undefined } : one
      pipe.pendingHandle = handle
      feed(bytes)
      await new Promise(setImmediate)
    }
  }
  /** What node has been given and nobody has asked for. */
  const kept = (): unknown => pending
  return { process, pipe, reader, seen, heard, kept, feed, read }
}

const batch = (...frames: unknown[]) => ({ cmd: 'NODE_TROUPE', frames })
const withHandle = (handle: number, ...frames: unknown[]) => ({ cmd: 'NODE_TROUPE', handle, frames })
const line = (message: unknown): string => `${JSON.stringify(message)}\n`
const along = (text: string, handle: unknown): Read => ({ bytes: Buffer.from(text), handle })

describe('whole lines of ours', () => {
  test('are emitted in order, and node has nothing to read', async () => {
    const { heard, seen, read } = fakeProcess()
    await read(line(batch(1)) + line(batch('ä日😀')), line(batch(3)))
    expect(heard.map(([message]) => message)).toEqual([batch(1), batch('ä日😀'), batch(3)])
    expect(seen).toEqual([])
  })

  test('that are no JSON throw where whoever guards the pipe catches it', () => {
    const { feed } = fakeProcess()
    expect(() => feed(Buffer.from('{"cmd":"NODE_TROUPE",]\n'))).toThrow(SyntaxError)
  })

  test('are left to node with the handle that comes along, in the primary, which gets none with them', async () => {
    const { heard, seen, kept, read } = fakeProcess({ takesHandles: false })
    await read(along(line(withHandle(1, 'x')), 'a socket'), line(withHandle(1, 'y')))
    expect(heard).toEqual([
      [withHandle(1, 'x'), undefined],
      [withHandle(1, 'y'), undefined],
    ])
    expect(seen).toEqual([line(withHandle(1, 'x'))])
    expect(kept()).toBe('a socket')
  })
})

describe('everything else is for node to read', () => {
  test.each<[string, string[]]>([
    ["a program's message", [line({ hello: 1 })]],
    ["one of node's", [line({ cmd: 'NODE_CLUSTER', act: 'x' })]],
    ['one of ours that comes in pieces', ['{"cmd":"NODE_TROU', 'PE","frames":[]}\n']],
    ['the end of one that looks like ours', ['{"hello":', '{"cmd":"NODE_TROUPE","frames":[]}}\n']],
    ['one that says in the end that it is none of ours', ['{"cmd":"NODE_TROUPE","cmd":{"toString":1}}\n']],
    ['one of ours among others', [line(batch(1)) + line({ hello: 1 }) + line(batch(2))]],
    ['the end of one, and a whole one', ['{"cmd":"NODE_TROUPE"', `,"frames":[1]}\n${line(batch(2))}`]],
  ])('%s', async (_, chunks) => {
    const { heard, seen, read } = fakeProcess()
    await read(...chunks)
    expect(seen).toEqual(chunks)
    const lines = chunks.join('').split('\n').slice(0, -1)
    expect(heard.map(([message]) => message)).toEqual(lines.map((text) => JSON.parse(text)))
    await read(line(batch('after')))
    expect(seen).toEqual(chunks)
    expect(heard.at(-1)?.[0]).toEqual(batch('after'))
  })

  test('and so is the end of the channel', async () => {
    const ends: unknown[] = []
    const pipe = { bytesRead: 0, onread: (buffer: ArrayBuffer | undefined) => void ends.push(buffer?.byteLength) }
    new PipeReader(new EventEmitter(), pipe as unknown as ChannelHandle, true)
    pipe.onread(undefined)
    expect(ends).toEqual([undefined])
  })
})

describe('a handle', () => {
  test('goes with the line of ours that it came with, once', async () => {
    const { reader, heard, read } = fakeProcess()
    await read(along(line(batch(1)) + line(withHandle(5, 'x')), 'a socket'))
    expect(heard).toEqual([
      [batch(1), undefined],
      [withHandle(5, 'x'), 'a socket'],
    ])
    expect(reader.handleOf(withHandle(5))).toBeUndefined()
  })

  test('that was lost is nobody’s, and the next one goes with its own line', async () => {
    const { heard, read } = fakeProcess()
    await read(line(withHandle(1, 'x')), along(line(withHandle(2, 'y')), 'a socket'))
    expect(heard.map(([, handle]) => handle)).toEqual([undefined, 'a socket'])
  })

  test('of which the line does not come before the channel ends is closed', async () => {
    const { pipe, read } = fakeProcess()
    const closed: string[] = []
    const socket = (name: string) => ({ close: () => closed.push(name) })
    await read(
      along('{"cmd":"NODE_TROUPE","handle":1,"frames":[', socket('of half a line')),
      ']}\n',
      along('{"cmd":"NODE_TROUPE","handle":2,"frames":[', socket('of another')),
    )
    pipe.onread(undefined)
    expect(closed).toEqual(['of another'])
    const late = fakeProcess()
    await late.read(along('{"cmd":"NOD', socket('of less')))
    late.pipe.onread(undefined)
    expect(closed).toEqual(['of another', 'of less'])
  })

  test('of a program, or of node, is left to node', async () => {
    const { heard, read } = fakeProcess()
    const asks = { cmd: 'NODE_HANDLE', type: 'net.Native', msg: { cmd: 'NODE_TROUPE', handle: 3, frames: [] } }
    await read(along(line(batch(1)) + line(asks), 'a socket'), line(batch(2)))
    expect(heard).toEqual([
      [batch(1), undefined],
      [asks, 'a socket'],
      [batch(2), undefined],
    ])
  })

  test('is not taken for that of a line which only contains what begins one of ours', async () => {
    const inner = '{"cmd":"NODE_TROUPE","handle":3,"frames":[]}'
    const { heard, read } = fakeProcess()
    await read(`{"cmd":"NODE_HANDLE","msg":`, along(`${inner}}\n`, 'a socket'))
    expect(heard).toEqual([[{ cmd: 'NODE_HANDLE', msg: JSON.parse(inner) }, 'a socket']])
  })

  test('whatever it came among and wherever a line was cut, goes with its own, and with nobody when it was lost', async () => {
    const kinds = fc.constantFrom('batch', 'handle', 'lost', 'program', 'node')
    const sends = fc.array(fc.record({ kind: kinds, size: fc.nat(60) }), { minLength: 1, maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(sends, fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), async (sent, sizes) => {
        const { heard, read } = fakeProcess()
        const messages = sent.map(({ kind, size }, index) => {
          const padding = 'é'.repeat(size)
          if (kind === 'program') return { hello: padding, index }
          if (kind === 'node') return { cmd: 'NODE_HANDLE', msg: padding, index }
          return kind === 'batch' ? batch(padding, index) : withHandle(index, padding, index)
        })
        const handles = sent.map(({ kind }, index) =>
          kind === 'handle' || kind === 'node' ? `socket ${index}` : undefined,
        )
        // Behind one of node's own nothing is written before it has been taken.
        const groups: Write[][] = [[]]
        for (const [index, message] of messages.entries()) {
          const kind = sent[index]?.kind
          groups.at(-1)?.push({ text: line(message), handle: handles[index], isLost: kind === 'lost' })
          if (kind === 'node') groups.push([])
        }
        for (const group of groups) await read(...readsOf(group, sizes))
        expect(heard).toEqual(messages.map((message, index) => [message, handles[index]]))
      }),
      { numRuns: 500 },
    )
  })
})

interface Write {
  readonly text: string
  readonly handle: unknown
  /** It had one, for which the reader had no descriptor. */
  readonly isLost: boolean
}

/**
 * What the system gives at a time, as Linux does: so many bytes of what was written, no further than the end of a write that a handle
 * goes with, and that handle with its first byte.
 */
function readsOf(writes: readonly Write[], sizes: readonly number[]): Read[] {
  const reads: Read[] = []
  const waiting = writes.map(({ text, handle, isLost }) => ({ bytes: Buffer.from(text), handle, isLost }))
  while (waiting.length > 0) {
    let room = sizes[reads.length % sizes.length] as number
    const pieces: Buffer[] = []
    let handle: unknown
    for (let stops = false; !stops && room > 0 && waiting[0]; ) {
      const [first] = waiting
      stops = first.handle !== undefined || first.isLost
      handle = first.handle ?? handle
      pieces.push(first.bytes.subarray(0, room))
      const rest = first.bytes.subarray(room)
      room -= Math.min(room, first.bytes.length)
      if (rest.length > 0) waiting[0] = { bytes: rest, handle: undefined, isLost: false }
      else waiting.shift()
    }
    reads.push({ bytes: Buffer.concat(pieces), handle })
  }
  return reads
}
