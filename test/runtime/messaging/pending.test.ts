import { expect, test } from 'vitest'
import { Pending, Request } from '../../../src/runtime/messaging/pending.js'
import { FakeClock } from '../../support/fake-clock.js'

class Asked extends Request<string> {
  readonly settle: (answer: string) => void
  readonly #pending: Pending<string>

  constructor(settle: (answer: string) => void, pending: Pending<string>) {
    super()
    this.settle = settle
    this.#pending = pending
  }

  due(): void {
    this.#pending.settle(this.id, 'late')
  }
}

function open() {
  const clock = new FakeClock()
  const pending = new Pending<string>(clock)
  const settled: string[] = []
  const ask = (ms = 100): number => {
    const request = new Asked((answer) => settled.push(answer), pending)
    pending.open(clock.now() + ms, request)
    return request.id
  }
  return { clock, pending, settled, ask }
}

test('an answer settles its request once; a second one finds nothing', async () => {
  const { clock, pending, settled, ask } = open()
  const id = ask()
  expect(pending.settle(id, 'first')).toBe(true)
  expect(pending.settle(id, 'second')).toBe(false)
  await clock.advance(1_000)
  expect(settled).toEqual(['first'])
})

test('the deadline settles a request, and a late answer finds nothing', async () => {
  const { clock, pending, settled, ask } = open()
  const id = ask(100)
  await clock.advance(99)
  expect(settled).toEqual([])
  await clock.advance(1)
  expect(settled).toEqual(['late'])
  expect(pending.settle(id, 'answer')).toBe(false)
})

test('a deadline that has passed settles in the next turn', async () => {
  const { clock, settled, ask } = open()
  ask(-5)
  expect(settled).toEqual([])
  await clock.advance(0)
  expect(settled).toEqual(['late'])
})

test('what has been settled leaves no timer and no entry', () => {
  const { clock, pending, ask } = open()
  const ids = [ask(), ask(), ask()]
  expect(clock.armed).toBe(3)
  for (const id of ids) pending.settle(id, 'x')
  expect(clock.armed).toBe(0)
  expect(pending.size).toBe(0)
})

test('a number is never used again', () => {
  const { pending, ask } = open()
  const first = ask()
  pending.settle(first, 'x')
  expect(ask()).not.toBe(first)
})

test('an answer to a number never given finds nothing', () => {
  const { pending, ask } = open()
  ask()
  expect(pending.settle(99, 'x')).toBe(false)
  expect(pending.settle(0, 'x')).toBe(false)
  expect(pending.size).toBe(1)
})

test('all can be settled at once, also when settling opens a new one', () => {
  const clock = new FakeClock()
  const pending = new Pending<string>(clock)
  const settled: string[] = []
  const again = (answer: string): void => {
    settled.push(answer)
    pending.open(5, new Asked((late) => settled.push(`new ${late}`), pending))
  }
  pending.open(5, new Asked(again, pending))
  pending.open(5, new Asked((answer) => settled.push(answer), pending))
  pending.settleAll('closed')
  expect(settled).toEqual(['closed', 'closed'])
  expect(pending.size).toBe(1)
})
