import { beforeEach, expect, test } from 'vitest'
import { UsageError } from '../../src/protocol/errors.js'
import { Emitter } from '../../src/runtime/emitter.js'
import { FakeLogger } from '../support/fake-logger.js'
import { thrown } from '../support/outcome.js'

interface Events {
  ready: { id: number }
  exit: { code: number }
}

let logger: FakeLogger
let emitter: Emitter<Events>
let heard: unknown[]
beforeEach(() => {
  logger = new FakeLogger()
  emitter = new Emitter(logger, ['ready', 'exit'])
  heard = []
})

test('tells every listener of that event, in the order in which they came', () => {
  emitter.on('ready', ({ id }) => heard.push(['first', id]))
  emitter.on('exit', () => heard.push('exit'))
  emitter.on('ready', ({ id }) => heard.push(['second', id]))
  emitter.emit('ready', { id: 1 })
  expect(heard).toEqual([
    ['first', 1],
    ['second', 1],
  ])
})

test('an event that nobody listens to is nothing', () => {
  expect(() => emitter.emit('ready', { id: 1 })).not.toThrow()
})

test('the same function is added once', () => {
  const listener = (): void => void heard.push(1)
  emitter.on('ready', listener)
  emitter.on('ready', listener)
  emitter.emit('ready', { id: 1 })
  expect(heard).toEqual([1])
})

test('is told no more after `off`, or what `on` returned', () => {
  const listener = (): void => void heard.push('a')
  emitter.on('ready', listener)
  const remove = emitter.on('ready', () => heard.push('b'))
  emitter.off('ready', listener)
  emitter.off('exit', listener)
  remove()
  remove()
  emitter.emit('ready', { id: 1 })
  expect(heard).toEqual([])
})

test('a listener that throws is logged, and the others are told all the same', () => {
  emitter.on('ready', () => {
    throw new Error('no')
  })
  emitter.on('ready', () => heard.push(1))
  emitter.emit('ready', { id: 1 })
  expect(heard).toEqual([1])
  expect(logger.lines).toEqual(["error: a listener of 'ready' threw: no"])
})

test('who is added while an event is told is told the next one', () => {
  emitter.on('ready', ({ id }) => {
    if (id === 1) emitter.on('ready', () => heard.push('late'))
  })
  emitter.emit('ready', { id: 1 })
  expect(heard).toEqual([])
  emitter.emit('ready', { id: 2 })
  expect(heard).toEqual(['late'])
})

test('a listener that takes itself away does not skip the next one', () => {
  const remove = emitter.on('ready', () => remove())
  emitter.on('ready', () => heard.push('next'))
  emitter.emit('ready', { id: 1 })
  expect(heard).toEqual(['next'])
})

test('an event that does not exist is refused, and those that do are named', () => {
  const error = thrown(UsageError, () => emitter.on('redy' as never, () => {}))
  expect(error.message).toBe('There is no event "redy". Events are ready, exit')
})

test('what is no function is refused', () => {
  expect(() => emitter.on('ready', undefined as never)).toThrow(UsageError)
})
