import { describe, expect, test } from 'vitest'
import type { LiveFrame } from '../../../src/protocol/frames.js'
import { SharedAccept } from '../../../src/runtime/connections/shared-accept.js'
import { FakeClock } from '../../support/fake-clock.js'

const HOUR = 3_600_000

/** A listener with workers that are only told of; what they are told, as "1: 4" or, when they are asked, "1: 4?". */
function setUp({ levelled = true } = {}) {
  const clock = new FakeClock()
  const told: string[] = []
  const accept = new SharedAccept({
    listener: 7,
    levelled,
    clock,
    tell: (incarnation, { listener, level, ask }) => {
      expect(listener).toBe(7)
      told.push(`${incarnation}: ${level}${ask ? '?' : ''}`)
    },
  })
  const report = (incarnation: number, live: number, room: LiveFrame['room'] = 'open', brief?: number): void =>
    accept.report(incarnation, { kind: 'live', listener: 7, live, room, brief })
  /** What was said since this was asked last. */
  const news = (): string[] => told.splice(0)
  return { accept, clock, report, news }
}

describe('workers that accept for themselves', () => {
  test('may accept as soon as they are open', () => {
    const { accept, news } = setUp()
    accept.open(1)
    expect(news()).toEqual(['1: 2'])
    accept.open(2)
    expect(news()).toEqual(['2: 2'])
    expect(accept.size).toBe(2)
  })

  test('are told once that they are open', () => {
    const { accept, news } = setUp()
    accept.open(1)
    accept.open(1)
    expect(news()).toEqual(['1: 2'])
    expect(accept.size).toBe(1)
  })

  test('are told a higher level at once when there are more connections', () => {
    const { accept, report, news } = setUp()
    accept.open(1)
    accept.open(2)
    news()
    report(1, 2, 'level')
    expect(news()).toEqual(['1: 3', '2: 3'])
    report(2, 2)
    expect(news()).toEqual(['1: 4', '2: 4'])
  })

  test('are told nothing when the level stays', () => {
    const { accept, report, news } = setUp()
    accept.open(1)
    accept.open(2)
    news()
    report(1, 1)
    report(1, 0)
    report(2, 1)
    expect(news()).toEqual([])
  })

  test('need not wait for each other while their connections are brief', async () => {
    const { accept, clock, report, news } = setUp()
    accept.open(1)
    accept.open(2)
    report(1, 30, 'open', 100)
    report(2, 30, 'open', 100)
    expect(news()).toEqual(['1: 2', '2: 2', '1: 65', '2: 65', '1: 130', '2: 130'])
    for (const [live, brief] of [
      [12, 80],
      [25, 95],
      [30, 60],
    ] as const) {
      report(1, live, 'open', brief)
      await clock.advance(20)
    }
    expect(news()).toEqual([])
    report(1, 30, 'open')
    report(2, 30, 'open')
    await clock.advance(HOUR)
    expect(news().slice(-2)).toEqual(['1: 32', '2: 32'])
  })

  test('are told a lower level by steps, and not for every connection that closes', async () => {
    const { accept, clock, report, news } = setUp()
    accept.open(1)
    report(1, 100)
    expect(news()).toEqual(['1: 2', '1: 103'])
    report(1, 98)
    expect(news()).toEqual(['1: 101'])
    report(1, 60)
    report(1, 20)
    expect(news()).toEqual([])
    await clock.advance(20)
    report(1, 19)
    expect(news()).toEqual(['1: 61'])
  })

  test('are told to accept no more when they are closed', () => {
    const { accept, news } = setUp()
    accept.open(1)
    accept.open(2)
    news()
    accept.close(1, true)
    expect(news()).toEqual(['1: 0'])
    expect(accept.size).toBe(1)
  })

  test('are told nothing when they cannot hear it, or were not open', () => {
    const { accept, news } = setUp()
    accept.open(1)
    accept.open(2)
    news()
    accept.close(1, false)
    accept.close(1, true)
    accept.close(3, true)
    expect(news()).toEqual([])
  })

  test('get a higher level when one of them goes that had less', () => {
    const { accept, report, news } = setUp()
    accept.open(1)
    accept.open(2)
    report(1, 3, 'level')
    news()
    accept.close(2, false)
    expect(news()).toEqual(['1: 5'])
  })

  test('are told their level again when they are closed and open again', () => {
    const { accept, news } = setUp()
    accept.open(1)
    accept.close(1, true)
    news()
    accept.open(1)
    expect(news()).toEqual(['1: 2'])
  })

  test('say nothing of interest when they are not open', () => {
    const { accept, report, news } = setUp()
    accept.open(1)
    news()
    report(2, 500, 'level')
    expect(news()).toEqual([])
  })
})

describe('a worker that is full at any level', () => {
  test('does not count: the others take what it cannot', () => {
    const { accept, report, news } = setUp()
    accept.open(1)
    accept.open(2)
    report(2, 2, 'level')
    news()
    report(1, 0, 'full')
    expect(news()).toEqual(['1: 4', '2: 4'])
  })

  test('counts again when it is not full any more', async () => {
    const { accept, clock, report, news } = setUp()
    accept.open(1)
    accept.open(2)
    report(1, 0, 'full')
    report(2, 10, 'level')
    news()
    await clock.advance(20)
    report(1, 0)
    // From 12, half of the way to 7.
    expect(news()).toEqual(['1: 9', '2: 9'])
  })

  test('leaves the level as it is when all are full', () => {
    const { accept, report, news } = setUp()
    accept.open(1)
    report(1, 1, 'full')
    accept.open(2)
    news()
    report(2, 1, 'full')
    expect(news()).toEqual([])
  })

  test('is not asked, since it has said so', async () => {
    const { accept, clock, report, news } = setUp()
    accept.open(1)
    accept.open(2)
    report(1, 0, 'full')
    report(2, 2, 'level')
    report(2, 4, 'level')
    news()
    await clock.advance(HOUR)
    expect(news().filter((line) => line.startsWith('1'))).toEqual([])
  })
})

describe('a worker that gives no answer', () => {
  /** Worker 1 has all it may have, since worker 2 has none. */
  function setUpWaiting() {
    const cluster = setUp()
    cluster.accept.open(1)
    cluster.accept.open(2)
    cluster.report(1, 2, 'level')
    cluster.report(1, 3, 'level')
    cluster.news()
    return cluster
  }

  test('is asked when another waits for a higher level', async () => {
    const { clock, news } = setUpWaiting()
    await clock.advance(24)
    expect(news()).toEqual([])
    await clock.advance(1)
    expect(news()).toEqual(['2: 3?'])
  })

  test('holds the others back no longer than until the next look', async () => {
    const { clock, news } = setUpWaiting()
    await clock.advance(25)
    news()
    await clock.advance(50)
    expect(news()).toEqual(['1: 5'])
  })

  test('never stops those that answer, however many connections come', async () => {
    const { clock, report, news } = setUpWaiting()
    let level = 3
    let live = 3
    for (let rounds = 0; rounds < 50; rounds++) {
      await clock.advance(1_000)
      for (const line of news()) if (line.startsWith('1: ')) level = Number(line.slice(3))
      expect(level).toBeGreaterThan(live)
      live = level
      report(1, live, 'level')
    }
    expect(live).toBeGreaterThan(100)
  })

  test('counts again when it answers', async () => {
    const { clock, report, news } = setUpWaiting()
    await clock.advance(75)
    report(1, 5, 'level')
    expect(news()).not.toContain('2: 7')
    await clock.advance(20)
    report(2, 0)
    // From 7, half of the way to 4.
    expect(news()).toEqual(['1: 5', '2: 5'])
  })

  test('is one that answered before: the last thing it said may have been that it had reached its level', async () => {
    const { accept, clock, report, news } = setUp()
    accept.open(1)
    accept.open(2)
    report(1, 2, 'level')
    report(2, 2, 'level')
    expect(news().at(-1)).toBe('2: 4')
    // It freezes here: 2 connections of 4.
    report(1, 4, 'level')
    report(1, 5, 'level')
    expect(news().at(-1)).toBe('2: 5')
    await clock.advance(1_000)
    const levels = news().filter((line) => /^1: \d+$/.test(line))
    expect(levels).toEqual(['1: 7'])
  })

  test('is none that is asked and answers, however often: it keeps its share', async () => {
    const { clock, report, news } = setUpWaiting()
    await clock.advance(25)
    expect(news()).toEqual(['2: 3?'])
    report(2, 0)
    await clock.advance(50)
    expect(news()).toEqual(['2: 3?'])
    report(2, 0)
    await clock.advance(50)
    expect(news()).toEqual([])
  })
})

describe('a listener on which nothing changes', () => {
  test('has no timer and sends nothing while nobody waits', async () => {
    const { accept, clock, report, news } = setUp()
    for (const worker of [1, 2, 3]) accept.open(worker)
    for (const worker of [1, 2, 3]) report(worker, worker)
    news()
    expect(clock.armed).toBe(0)
    await clock.advance(HOUR)
    expect(news()).toEqual([])
  })

  test('sends nothing when whoever had reached the level has got a higher one', async () => {
    const { accept, clock, report, news } = setUp()
    accept.open(1)
    accept.open(2)
    report(1, 2, 'level')
    report(2, 2, 'level')
    news()
    await clock.advance(HOUR)
    expect(news()).toEqual([])
    expect(clock.armed).toBe(0)
  })

  test('sends at most two questions a second while somebody waits for a worker that answers', async () => {
    const { accept, clock, report, news } = setUp()
    accept.open(1)
    accept.open(2)
    report(1, 2, 'level')
    report(1, 3, 'level')
    news()
    let questions = 0
    for (let passed = 0; passed < 60_000; passed += 5) {
      await clock.advance(5)
      for (const line of news()) {
        expect(line).toBe('2: 3?')
        questions++
        report(2, 0)
      }
    }
    expect(questions).toBeLessThanOrEqual(125)
  })

  test('ends a fall of the level that began with the last word of the workers', async () => {
    const { accept, clock, report, news } = setUp()
    accept.open(1)
    accept.open(2)
    report(1, 1_000)
    report(2, 1_000)
    report(1, 0)
    report(2, 0)
    await clock.advance(HOUR)
    expect(news().slice(-2)).toEqual(['1: 2', '2: 2'])
    expect(clock.armed).toBe(0)
  })

  test('leaves no timer behind when it ends', () => {
    const { accept, clock, report, news } = setUp()
    accept.open(1)
    accept.open(2)
    report(1, 2, 'level')
    report(1, 3, 'level')
    expect(clock.armed).toBe(1)
    accept.end()
    expect(clock.armed).toBe(0)
    news()
    report(1, 9, 'level')
    expect(news()).toEqual([])
  })
})

describe("workers that accept as they please ('os')", () => {
  test('are told so, once, whatever they report', async () => {
    const { accept, clock, report, news } = setUp({ levelled: false })
    accept.open(1)
    accept.open(2)
    expect(news()).toEqual(['1: null', '2: null'])
    report(1, 500)
    report(2, 0, 'full')
    await clock.advance(HOUR)
    expect(news()).toEqual([])
    expect(clock.armed).toBe(0)
  })

  test('are told to accept no more when they are closed', () => {
    const { accept, news } = setUp({ levelled: false })
    accept.open(1)
    news()
    accept.close(1, true)
    expect(news()).toEqual(['1: 0'])
  })
})
