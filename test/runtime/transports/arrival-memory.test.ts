import { afterEach, expect, test, vi } from 'vitest'

afterEach(() => {
  vi.restoreAllMocks()
  vi.resetModules()
})

async function freshCopy() {
  const { arrivalMemory } = await import('../../../src/runtime/transports/arrival-memory.js')
  const allocated = vi.spyOn(Buffer, 'allocUnsafeSlow')
  return { arrivalMemory, sizes: () => allocated.mock.calls.map(([size]) => size) }
}

test.each([0, 1, 7, 8_192, 200_000])('%i bytes are a memory of their own', async (bytes) => {
  const { arrivalMemory } = await freshCopy()
  const memory = arrivalMemory(bytes)
  expect(memory).toHaveLength(bytes)
  expect(memory.byteOffset).toBe(0)
  expect(memory.buffer.byteLength).toBe(bytes)
  expect(memory.buffer).not.toBe(arrivalMemory(bytes).buffer)
})

test('the first block that glibc would map brings one of 16 MiB, and no other does', async () => {
  const { arrivalMemory, sizes } = await freshCopy()
  for (const bytes of [131_071, 131_072, 131_072, 1_000_000]) arrivalMemory(bytes)
  expect(sizes()).toEqual([131_071, 16 * 1_024 * 1_024, 131_072, 131_072, 1_000_000])
})
