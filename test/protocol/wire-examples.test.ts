import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type ReadBatch, readDownBatch, readPeerBatch, readUpBatch } from '../../src/protocol/codec.js'
import { BATCH_TAG } from '../../src/protocol/frames.js'

/*
 * What `src/protocol/README.md` shows of the wire is read here as the other side would read it: an example that names a field or
 * a place that frames do not have fails. Those that leave something out (`…`) are passed over.
 */

interface Example {
  readonly line: string
  readonly way: string
  readonly frame: unknown
}

const text = readFileSync(new URL('../../src/protocol/README.md', import.meta.url), 'utf8')

/** `who -> whom  frame  remark`; who and whom stand in the line of the first of several. */
function examplesOf(block: string): Example[] {
  let way = ''
  return block.split('\n').flatMap((line) => {
    const start = line.search(/[[{]/)
    way = line.slice(0, start).trim() || way
    const frame = line.includes('…') || !/[-=]>/.test(way) ? undefined : frameIn(line.slice(start))
    return frame === undefined ? [] : [{ line, way, frame }]
  })
}

/** Behind a frame stands what it is for, or another one. */
function frameIn(json: string): unknown {
  for (let end = json.length; end > 0; end--)
    try {
      return JSON.parse(json.slice(0, end))
    } catch {}
  return undefined
}

function read(way: string, frame: unknown): ReadBatch<unknown> {
  const batch = { cmd: BATCH_TAG, frames: [frame] } as const
  if (way.includes('=>')) return readPeerBatch([frame])
  return /^worker \S* *->/.test(way) ? readUpBatch(batch) : readDownBatch(batch)
}

const blocks = [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
const examples = blocks.flatMap(([, language, block = '']) => (language === '' ? examplesOf(block) : []))

test('there are examples of every way', () => {
  const lists = examples.filter(({ frame }) => Array.isArray(frame)).map(({ frame }) => (frame as unknown[])[0])
  expect(new Set(lists)).toEqual(new Set(['call', 'invoke', 'result', 'value', 'connection', 'taken']))
  expect(examples.some(({ way }) => way.includes('=>'))).toBe(true)
  expect(examples.length).toBeGreaterThan(25)
})

test.each(examples)('$line', ({ way, frame }) => {
  expect(read(way, frame).malformed).toBe(0)
})
