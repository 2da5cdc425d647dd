import { expect, test } from 'vitest'
import { HeldEvents } from '../../../src/runtime/transports/held-events.js'

/** A pace whose turns the test makes: so many events fit in each. */
class Turns {
  left = 0
  #waiting: (() => void)[] = []

  get spent(): boolean {
    return this.left <= 0
  }

  later(run: () => void): void {
    this.#waiting.push(run)
  }

  next(room: number): void {
    this.left = room
    for (const run of this.#waiting.splice(0)) run()
  }
}

function open() {
  const turns = new Turns()
  const heard: unknown[] = []
  const reading: boolean[] = []
  const held = new HeldEvents({
    pace: turns,
    deliver(event, [value]) {
      turns.left--
      heard.push(event === 'message' ? value : event)
    },
    reading: (on) => reading.push(on),
  })
  const emit = (event: string, value?: unknown): void => {
    if (held.take(event, [value])) return
    turns.left--
    heard.push(event === 'message' ? value : event)
  }
  return { turns, heard, reading, emit, held }
}

test('while a turn has time, nothing is held', () => {
  const { turns, heard, reading, emit } = open()
  turns.left = 3
  for (const value of [1, 2, 3]) emit('message', value)
  expect(heard).toEqual([1, 2, 3])
  expect(reading).toEqual([])
})

test('what a turn has no time for comes in the next ones, in order, and nothing is read meanwhile', () => {
  const { turns, heard, reading, emit } = open()
  turns.left = 1
  for (const value of [1, 2, 3, 4]) emit('message', value)
  expect(heard).toEqual([1])
  expect(reading).toEqual([false])
  turns.next(2)
  expect(heard).toEqual([1, 2, 3])
  emit('message', 5)
  turns.next(9)
  expect(heard).toEqual([1, 2, 3, 4, 5])
  expect(reading.at(-1)).toBe(true)
})

test('at least one comes in each turn, however busy others are', () => {
  const { turns, heard, emit } = open()
  for (const value of [1, 2]) emit('message', value)
  turns.next(0)
  turns.next(0)
  expect(heard).toEqual([1, 2])
})

test('the end of the channel comes after what was held, and the exit after that, though node told of it before', () => {
  const { turns, heard, emit } = open()
  emit('message', 1)
  emit('exit')
  emit('close')
  turns.next(9)
  // More of it is read, now that there is time.
  emit('message', 2)
  emit('disconnect')
  expect(heard).toEqual([1, 2, 'disconnect', 'exit', 'close'])
})

test('a disconnect that was held brings the exit with it', () => {
  const { turns, heard, emit } = open()
  emit('message', 1)
  emit('disconnect')
  emit('exit')
  turns.next(9)
  expect(heard).toEqual([1, 'disconnect', 'exit'])
})

test('an exit that comes last is not held', () => {
  const { turns, heard, emit } = open()
  emit('message', 1)
  turns.next(9)
  emit('disconnect')
  emit('exit')
  expect(heard).toEqual([1, 'disconnect', 'exit'])
})

test('an exit is not held for ever by an end that node does not tell of', () => {
  const { turns, heard, emit, held } = open()
  emit('message', 1)
  turns.next(9)
  emit('exit')
  held.ended()
  expect(heard).toEqual([1])
  turns.next(9)
  emit('close')
  expect(heard).toEqual([1, 'exit', 'close'])
})

test('when node does tell of the end, that comes before the exit, and each once', () => {
  const { turns, heard, emit, held } = open()
  emit('message', 1)
  emit('message', 2)
  emit('exit')
  held.ended()
  turns.next(1)
  emit('disconnect')
  turns.next(9)
  turns.next(9)
  emit('close')
  expect(heard).toEqual([1, 2, 'disconnect', 'exit', 'close'])
})

test('what is not of the channel is never held', () => {
  const { heard, emit } = open()
  emit('message', 1)
  emit('newListener')
  emit('error')
  expect(heard).toEqual(['newListener', 'error'])
})
