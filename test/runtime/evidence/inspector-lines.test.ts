import { describe, expect, test } from 'vitest'
import { InspectorLines, inspectorAddress } from '../../../src/runtime/evidence/inspector-lines.js'

const ADDRESS = 'ws://127.0.0.1:34761/71994be9-7aa7-421e-a292-c5d7e5c9a7d9'
const LISTENING = `Debugger listening on ${ADDRESS}\n`
/** All that Node 20 to 26 say. */
const OURS = [
  LISTENING,
  'For help, see: https://nodejs.org/en/docs/inspector\n',
  'For help, see: https://nodejs.org/learn/getting-started/debugging\n',
  'Debugger attached.\n',
  `Debugger ending on ${ADDRESS}\n`,
  'Waiting for the debugger to disconnect...\n',
]

/** What passes of these pieces, and what passes of it before the end is known. */
function passed(...pieces: (string | Buffer)[]): { all: string; atOnce: string } {
  const lines = new InspectorLines()
  const atOnce = pieces.map((piece) => lines.take(Buffer.from(piece as string)))
  return {
    all: Buffer.concat([...atOnce, lines.flush()]).toString('latin1'),
    atOnce: Buffer.concat(atOnce).toString('latin1'),
  }
}

describe('of what a process writes while it is looked at', () => {
  const text = `one\n\n${OURS.join('two\n')}Debugger? Debugger attached.\nDebugger attached. No\n  at the end, no line`
  const rest = `one\n\n${'two\n'.repeat(OURS.length - 1)}Debugger? Debugger attached.\nDebugger attached. No\n  at the end, no line`

  test('the lines about the inspector are left out, wherever it is cut', () => {
    for (let first = 0; first <= text.length; first++)
      expect(passed(text.slice(0, first), text.slice(first)).all, `cut at ${first}`).toBe(rest)
  })

  test('byte by byte too', () => {
    expect(passed(...text).all).toBe(rest)
  })

  test.each(OURS)('in two places: %j', (line) => {
    for (let first = 0; first <= line.length; first++)
      for (let second = first; second <= line.length; second++)
        expect(passed('a\n', line.slice(0, first), line.slice(first, second), line.slice(second), 'b')).toEqual({
          all: 'a\nb',
          atOnce: 'a\nb',
        })
  })

  test.each([
    '[3] Debugger attached.\n',
    'Debugger attached!\n',
    'Debugger attached.\r\n',
    'listening on ws://127.0.0.1:3000/chat\n',
    'Debugger listening on ws://localhost:3000/chat\n',
    'For help, see: https://example.org/\n',
    `Debugger listening on ws://${'a'.repeat(200)}\n`,
  ])('another line passes, wherever it is cut: %j', (line) => {
    for (let first = 0; first <= line.length; first++)
      expect(passed(line.slice(0, first), line.slice(first)).atOnce).toBe(line)
  })

  test('no more is held than what may become such a line', () => {
    const line = 'Debugger attached. At last'
    for (let end = 0; end <= line.length; end++) {
      const begun = line.slice(0, end)
      const held = end > 0 && 'Debugger attached.'.startsWith(begun)
      expect(passed(begun), begun).toEqual({ all: begun, atOnce: held ? '' : begun })
    }
  })

  test('every byte is kept as it is', () => {
    const bytes = Buffer.from(Array.from({ length: 512 }, (_, index) => index % 256))
    expect(passed(bytes, LISTENING.trimEnd(), '\n').all).toBe(`${bytes.toString('latin1')}${LISTENING}`)
    expect(passed(bytes, '\n', LISTENING).all).toBe(`${bytes.toString('latin1')}\n`)
  })
})

describe('the address of an inspector', () => {
  test('is on a line of node', () => {
    expect(inspectorAddress(`x\n${LISTENING}`)).toBe(ADDRESS)
  })

  test.each([
    LISTENING.trimEnd().slice(0, -1),
    `listening on ${ADDRESS}\n`,
    'Debugger listening on ws://127.0.0.1:3000/chat\n',
    'listening on ws://127.0.0.1:3000/chat\n',
    `Debugger listening on ${ADDRESS.replace('127.0.0.1', '10.0.0.1')}\n`,
  ])('is not what a program prints of its own: %j', (text) => {
    expect(inspectorAddress(text)).toBeUndefined()
  })
})
