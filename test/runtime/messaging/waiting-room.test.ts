import { expect, test } from 'vitest'
import { WaitingRoom } from '../../../src/runtime/messaging/waiting-room.js'

test('gives back who waits in the order in which they came, once', () => {
  const room = new WaitingRoom<string>(10)
  for (const call of ['a', 'b', 'c']) room.enter(1, call)
  expect(room.empty(1)).toEqual(['a', 'b', 'c'])
  expect(room.empty(1)).toEqual([])
})

test('each room has its limit', () => {
  const room = new WaitingRoom<string>(2)
  expect(['a', 'b', 'c'].map((call) => room.enter(1, call))).toEqual([true, true, false])
  expect(room.enter('any', 'd')).toBe(true)
  expect(room.size).toBe(3)
})

test('who leaves makes room, and an empty room is no room', () => {
  const room = new WaitingRoom<string>(1)
  room.enter(1, 'a')
  expect(room.leave('a')).toBe(true)
  expect(room.leave('a')).toBe(false)
  expect(room.names()).toEqual([])
  expect(room.enter(1, 'b')).toBe(true)
  expect(room.names()).toEqual([1])
})
