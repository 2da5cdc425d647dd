import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { AbortSignals } from '../../src/runtime/abort-signals.js'

function open() {
  const controller = new AbortController()
  const abort = (reason?: unknown): void => controller.abort(reason)
  return { signals: new AbortSignals(), signal: controller.signal, abort, heard: [] as unknown[] }
}

test('tells every listener once, with the reason', () => {
  const { signals, signal, abort, heard } = open()
  signals.on(signal, (reason) => heard.push(['a', reason]))
  signals.on(signal, (reason) => heard.push(['b', reason]))
  abort('gone')
  expect(heard).toEqual([
    ['a', 'gone'],
    ['b', 'gone'],
  ])
})

test('puts one listener on the signal, however many there are, and takes it off with the last', () => {
  const { signals, signal } = open()
  const off = Array.from({ length: 100 }, () => signals.on(signal, () => {}))
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  for (const one of off) one()
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('listens anew after the last has gone', () => {
  const { signals, signal, abort, heard } = open()
  const off = signals.on(signal, () => heard.push('old'))
  off()
  signals.on(signal, () => heard.push('new'))
  off()
  abort()
  expect(heard).toEqual(['new'])
})

test('who takes itself back while others are told spares them', () => {
  const { signals, signal, abort, heard } = open()
  const off = signals.on(signal, () => off())
  signals.on(signal, () => heard.push('next'))
  abort()
  expect(heard).toEqual(['next'])
})
