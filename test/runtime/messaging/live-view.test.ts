import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { LiveView } from '../../../src/runtime/messaging/live-view.js'

test('shows what holds when it is read, in the order of the keys', () => {
  const source = new Map([
    [10, 'ten'],
    [2, 'two'],
  ])
  const view = new LiveView(source)
  expect([...view]).toEqual([
    [2, 'two'],
    [10, 'ten'],
  ])
  source.set(1, 'one')
  source.delete(10)
  expect([...view.keys()]).toEqual([1, 2])
  expect([...view.values()]).toEqual(['one', 'two'])
  expect(view.size).toBe(2)
  expect(view.has(10)).toBe(false)
  expect(view.get(1)).toBe('one')
})

test('hands itself to forEach', () => {
  const view = new LiveView(new Map([[1, 'one']]))
  const seen: unknown[] = []
  view.forEach((...given) => void seen.push(...given))
  expect(seen).toEqual(['one', 1, view])
})

test('cannot be changed', () => {
  const view = new LiveView(new Map([[1, 'one']])) as unknown as Map<number, string>
  for (const name of ['set', 'delete', 'clear'] as const) expect(view[name]).toBeUndefined()
})

test('prints as a map', () => {
  expect(inspect(new LiveView(new Map([[1, 'one']])))).toBe("Map(1) { 1 => 'one' }")
})
