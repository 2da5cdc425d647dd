import { afterEach, expect, test, vi } from 'vitest'
import { vitals } from '../../src/preload/vitals.js'

afterEach(() => void vi.restoreAllMocks())

test('a process that has no descriptor left for the file with its memory says what it knew last', () => {
  const look = vitals(() => 3)
  const before = look()
  expect(before.rss).toBeGreaterThan(before.heap)
  vi.spyOn(process, 'memoryUsage').mockImplementation(() => {
    throw Object.assign(new Error('EMFILE: too many open files, uv_resident_set_memory'), { code: 'EMFILE' })
  })
  expect(look()).toMatchObject({ rss: before.rss, heap: before.heap, requests: 3 })
})
