import { expect, test } from 'vitest'
import { arrivalMemory } from '../../../src/runtime/transports/arrival-memory.js'

test.each([0, 1, 7, 8_192, 200_000, 200_000])('%i bytes are a memory of their own', (bytes) => {
  const memory = arrivalMemory(bytes)
  expect(memory).toHaveLength(bytes)
  expect(memory.byteOffset).toBe(0)
  expect(memory.buffer.byteLength).toBe(bytes)
  expect(memory.buffer).not.toBe(arrivalMemory(bytes).buffer)
})
