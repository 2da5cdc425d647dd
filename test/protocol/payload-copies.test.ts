import { expect, test, vi } from 'vitest'
import { FRESH_MEMORY } from '../../src/protocol/binary-parts.js'
import { encodePayload } from '../../src/protocol/payload.js'

// The preload is bundled by itself: what the program encodes is written by another copy of these files.

async function otherCopy() {
  vi.resetModules()
  const [{ toCompact }, { sizeOfPayload }, { writeFrame }] = await Promise.all([
    import('../../src/protocol/compact.js'),
    import('../../src/protocol/payload-size.js'),
    import('../../src/runtime/transports/stream-batch.js'),
  ])
  return { toCompact, sizeOfPayload, writeFrame }
}

const options = { opaque: false, limit: 1_000_000, root: 'args' }
const from = { id: 1, incarnation: 1 }

test('a text is known as one by another copy, and written as it is', async () => {
  const { toCompact, sizeOfPayload } = await otherCopy()
  const payload = encodePayload(['x'], options)
  expect(sizeOfPayload(payload)).toBe('["x"]'.length)
  // Were it not known, it would be parsed and written anew: the same text, so that only this tells.
  Object.assign(payload as object, {
    toJSON() {
      throw new Error('parsed')
    },
  })
  expect(toCompact({ kind: 'result', id: 1, payload } as never)).toBe('["value",1,["x"]]')
})

test('bytes are known as such by another copy, and go beside the text', async () => {
  const { writeFrame, sizeOfPayload } = await otherCopy()
  const payload = encodePayload([Buffer.from('héllo')], { ...options, memory: FRESH_MEMORY })
  expect(sizeOfPayload(payload)).toBeGreaterThan(5)
  const { parts, text } = writeFrame({ kind: 'invoke', route: 1, from, method: 'm', payload } as never)
  expect(parts.map(String)).toEqual(['héllo'])
  expect(text).toContain('"parts":[6]')
})

test('nothing that arrives as JSON can be taken for one', async () => {
  const { toCompact } = await otherCopy()
  const payload = JSON.parse(
    '{"plain":1,"text":"],[","Symbol(troupe.payload)":"text","troupe.payload":"text"}',
  ) as object
  expect(JSON.parse(toCompact({ kind: 'result', id: 1, payload } as never) ?? '')).toEqual(['result', 1, payload])
})
