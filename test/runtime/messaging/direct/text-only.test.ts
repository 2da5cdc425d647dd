import { expect, test } from 'vitest'
import { FRESH_MEMORY } from '../../../../src/protocol/binary-parts.js'
import type { CallFrame } from '../../../../src/protocol/frames.js'
import { decodePayload, encodePayload } from '../../../../src/protocol/payload.js'
import { textOnly } from '../../../../src/runtime/messaging/direct/text-only.js'

test.each([
  ['plain', [{ a: 1 }, 'x']],
  ['rich', [new Map([[1n, new Date(5)]])]],
  ['binary', [Buffer.from('tea')]],
])('%s arguments that were encoded for a link are a text that says the same', (_, args) => {
  const payload = encodePayload(args, { opaque: false, memory: FRESH_MEMORY, limit: 1_000, root: 'args' })
  const call: CallFrame = { kind: 'call', id: 7, to: 2, method: 'm', payload, deadline: 5 }
  const { payload: text, ...rest } = textOnly(call)
  expect(typeof text).toBe('string')
  expect(decodePayload(text, 'args')).toEqual(args)
  expect({ ...rest, payload }).toEqual(call)
})

test('what is a text, or nothing, stays as it is', () => {
  for (const payload of [undefined, '{"plain":[]}']) {
    const call: CallFrame = { kind: 'call', id: 7, to: 2, method: 'm', payload }
    expect(textOnly(call)).toBe(call)
  }
})
