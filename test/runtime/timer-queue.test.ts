import { AsyncLocalStorage } from 'node:async_hooks'
import fc from 'fast-check'
import { afterEach, assert, beforeEach, expect, test, vi } from 'vitest'
import { TimerQueue } from '../../src/runtime/timer-queue.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const open = (): TimerQueue => new TimerQueue(() => performance.now())

test('each runs in its millisecond, equal ones in the order in which they were set', () => {
  const queue = open()
  const ran: string[] = []
  queue.add(20, () => ran.push('b'), false)
  queue.add(10, () => ran.push('a'), false)
  queue.add(20, () => ran.push('c'), false)
  vi.advanceTimersByTime(9)
  expect(ran).toEqual([])
  vi.advanceTimersByTime(1)
  expect(ran).toEqual(['a'])
  vi.advanceTimersByTime(10)
  expect(ran).toEqual(['a', 'b', 'c'])
})

test('one that was taken back does not run, and the others of its millisecond do', () => {
  const queue = open()
  const ran: number[] = []
  const timers = [0, 1, 2, 3].map((n) => queue.add(5, () => ran.push(n), false))
  timers[1]?.cancel()
  timers[1]?.cancel()
  vi.advanceTimersByTime(5)
  expect(ran.sort()).toEqual([0, 2, 3])
})

test('one can take back another that is due in the same millisecond', () => {
  const queue = open()
  const ran: string[] = []
  const first = (): void => {
    ran.push('first')
    second.cancel()
  }
  queue.add(5, first, false)
  const second = queue.add(5, () => ran.push('second'), false)
  queue.add(5, () => ran.push('third'), false)
  vi.advanceTimersByTime(5)
  expect(ran).toEqual(['first', 'third'])
})

test('one that is set by one that runs comes later, also with no delay', () => {
  const queue = open()
  let runs = 0
  const again = (): void => {
    runs++
    queue.add(0, again, false)
  }
  queue.add(0, again, false)
  vi.advanceTimersByTime(10)
  expect(runs).toBe(10)
})

test('what one of them throws keeps none of the others from running', () => {
  const queue = open()
  const ran: string[] = []
  queue.add(
    5,
    () => {
      throw new Error('of the program')
    },
    false,
  )
  queue.add(5, () => ran.push('same'), false)
  queue.add(6, () => ran.push('next'), false)
  expect(() => vi.advanceTimersByTime(5)).toThrow('of the program')
  vi.advanceTimersByTime(5)
  expect(ran).toEqual(['same', 'next'])
})

test('there is one timer of node for all, and it is set for the next', () => {
  const queue = open()
  for (let ms = 1_000; ms > 0; ms--) queue.add(ms, () => {}, false)
  expect(vi.getTimerCount()).toBe(1)
})

test('a task runs at its time, by the clock; at once when that has passed, and never early when it is years away', () => {
  const queue = open()
  const ran: string[] = []
  const task = (name: string) => ({ due: () => void ran.push(name) })
  const start = performance.now()
  queue.at(start + 20, task('later'), false)
  queue.at(start - 5, task('past'), false)
  queue.at(start + 2 ** 31 + 1_000, task('in 25 days'), false)
  queue.at(Number.POSITIVE_INFINITY, task('never'), false).cancel()
  vi.advanceTimersByTime(1)
  expect(ran).toEqual(['past'])
  vi.advanceTimersByTime(18)
  expect(ran).toEqual(['past'])
  vi.advanceTimersByTime(1)
  expect(ran).toEqual(['past', 'later'])
  vi.advanceTimersByTime(2 ** 31 - 20 + 999)
  expect(ran).toEqual(['past', 'later'])
  vi.advanceTimersByTime(1)
  expect(ran).toEqual(['past', 'later', 'in 25 days'])
})

test('a task that is set again for a time that has passed waits for the next millisecond', () => {
  const queue = open()
  let runs = 0
  const again = {
    due() {
      runs++
      queue.at(0, again, false)
    },
  }
  queue.at(0, again, false)
  vi.advanceTimersByTime(10)
  expect(runs).toBe(10)
})

test('nothing is kept of timers that were taken back, however many were set', () => {
  const queue = open()
  const late = queue.add(50_000, () => {}, false)
  for (let round = 0; round < 5_000; round++) {
    queue.add(5_000, () => {}, false).cancel()
    vi.advanceTimersByTime(1)
  }
  expect(queue.kept).toBeLessThan(200)
  late.cancel()
  vi.advanceTimersByTime(50_000)
  expect(queue.kept).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})

test('a timer belongs to no call, whoever set it', () => {
  const storage = new AsyncLocalStorage<string>()
  const queue = open()
  const seen: unknown[] = []
  storage.run('a call', () => queue.add(5, () => seen.push(storage.getStore()), false))
  vi.advanceTimersByTime(5)
  expect(seen).toEqual([undefined])
})

test('runs all that were not taken back, none before its time, whatever is set when', () => {
  const step = fc.record({
    wait: fc.integer({ min: 0, max: 20 }),
    ms: fc.integer({ min: 1, max: 50 }),
    takenBackAfter: fc.option(fc.integer({ min: 0, max: 60 })),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = open()
      const ran = new Map<number, number>()
      const due = new Map<number, number>()
      const back: { at: number; id: number; cancel: () => void }[] = []
      const pass = (ms: number): void => {
        for (let passed = 0; passed < ms; passed++) {
          vi.advanceTimersByTime(1)
          for (const one of back.filter(({ at }) => at === Math.round(performance.now()))) {
            one.cancel()
            if (!ran.has(one.id)) due.delete(one.id)
          }
        }
      }
      steps.forEach(({ wait, ms, takenBackAfter }, id) => {
        pass(wait)
        const now = Math.round(performance.now())
        due.set(id, now + ms)
        const timer = queue.add(ms, () => ran.set(id, Math.round(performance.now())), false)
        if (takenBackAfter !== null) back.push({ at: now + takenBackAfter, id, cancel: () => timer.cancel() })
      })
      pass(120)
      assert.deepEqual(
        [...ran].sort(([a], [b]) => a - b),
        [...due].sort(([a], [b]) => a - b),
      )
    }),
    { numRuns: 60 },
  )
})
