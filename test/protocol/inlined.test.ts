import { expect, test } from 'vitest'
import { batchText, readDownBatch } from '../../src/protocol/codec.js'
import { BATCH_TAG, type Payload } from '../../src/protocol/frames.js'
import { decodePayload, encodePayload } from '../../src/protocol/payload.js'
import { inlineIfJson } from '../../src/protocol/payload-forms.js'

const line = (payload: Payload): string =>
  batchText({ cmd: BATCH_TAG, frames: [{ kind: 'message', channel: 'c', payload } as { readonly kind: string }] })

test.each([
  ['a plain value', { a: [1, 'x', null] }],
  ['a rich value', new Map([['at', new Date(5)]])],
  ['a text with a line break in it', 'a\nb'],
])('%s that another process has encoded is written as what it is', (_, value) => {
  const text = encodePayload(value, { opaque: true, limit: 1_000, root: 'value' }) as string
  const written = JSON.parse(line(inlineIfJson(text)))
  const [kind, , body] = written.frames[0]
  expect(kind === 'published' ? { plain: body } : body).toEqual(JSON.parse(text))
  const [frame] = readDownBatch(written).frames
  expect(decodePayload((frame as { payload: Payload }).payload, 'value')).toEqual(value)
})

test.each([
  ['what is no JSON', '{"plain":1}],["call",1'],
  ['what ends the frame', '{"plain":1},null,null],["message","d",{"plain":2}'],
  ['what would end the frame without its form', '{"plain":1,null,null],["message","d",1}'],
  ['two forms at once', '{"plain":1,"rich":{}}'],
  ['a form twice', '{"plain":1,"plain":2}'],
  ['what is not written as we do', '{"plain" :1}'],
  ['no form', '{}'],
  ['a form without its end', '{"plain":1'],
  ['what has a line break between its parts', '{"plain":\n1}'],
  ['what is no object', '[1]'],
  ['nothing', ''],
  ['half of a character', '{"plain":"\ud800x"}'],
  ['what is longer than is parsed', JSON.stringify({ plain: 'x'.repeat(20_000) })],
])('%s stays a text, which its receiver reads or refuses', (_, text) => {
  expect(inlineIfJson(text)).toBe(text)
  expect(JSON.parse(line(inlineIfJson(text))).frames).toEqual([['message', 'c', text, null, null]])
  expect(line(inlineIfJson(text))).not.toContain('\n')
})

test('what is inline already, or nothing, stays as it is', () => {
  const inline = { plain: 1 }
  expect(inlineIfJson(inline)).toBe(inline)
  expect(inlineIfJson(undefined)).toBeUndefined()
})
