import { describe, expect, it } from 'vitest'
import { drive, percentile } from '../../bench/messages/load.mjs'
import { methods, workOf } from '../../bench/messages/orders.mjs'

const plain = workOf({ kind: 'plain', size: 2, receivers: 0 })
const echo = async (argument: Parameters<typeof methods.total>[0]) => methods.total(argument)

describe('percentile', () => {
  it('is the least value that so many are not above', () => {
    const sorted = Array.from({ length: 100 }, (_, index) => index + 1)
    expect([0.5, 0.99, 1].map((share) => percentile(sorted, share))).toEqual([50, 99, 100])
  })

  it('is the only one of one', () => {
    expect([0, 0.5, 1].map((share) => percentile([7], share))).toEqual([7, 7, 7])
  })
})

describe('drive', () => {
  it('makes as many calls as it is told, numbered upward from the first', async () => {
    const numbers: number[] = []
    const { operations } = await drive({ inFlight: 3, first: 5, operations: 7 }, plain, (order) => {
      numbers.push(order.number)
      return echo(order)
    })
    expect(operations).toBe(7)
    expect(numbers).toEqual([5, 6, 7, 8, 9, 10, 11])
  })

  it('keeps so many in flight, and no more', async () => {
    let [inFlight, most] = [0, 0]
    await drive({ inFlight: 4, first: 0, operations: 40 }, plain, async (order) => {
      most = Math.max(most, ++inFlight)
      const answer = await echo(order)
      inFlight--
      return answer
    })
    expect(most).toBe(4)
  })

  it('throws at an answer that is wrong', async () => {
    const wrong = drive({ inFlight: 1, first: 0, operations: 3 }, plain, async ({ number }) => ({ number, total: 1 }))
    await expect(wrong).rejects.toThrow('Expected the answer to 0, got {"number":0,"total":1}')
  })

  it('gives latencies only where nothing else is in flight', async () => {
    expect(await drive({ inFlight: 1, first: 0, operations: 3 }, plain, echo)).toHaveProperty('latency')
    expect(await drive({ inFlight: 2, first: 0, operations: 3 }, plain, echo)).not.toHaveProperty('latency')
  })
})

describe('what is sent', () => {
  it.each([
    ['plain', 2, 109],
    ['plain', 311, 10_000],
    ['plain', 31_250, 1_000_000],
  ] as const)('is as large as its shape says: %s of %i lines', (kind, size, bytes) => {
    const { length } = JSON.stringify(workOf({ kind, size, receivers: 0 }).argument(123_456))
    expect(length / bytes).toBeGreaterThan(0.9)
    expect(length / bytes).toBeLessThan(1.1)
  })

  it.each(['plain', 'rich', 'binary'] as const)('has one right answer, which the method gives: %s', (kind) => {
    const work = workOf({ kind, size: 100, receivers: 0 })
    const method = methods[work.method as keyof typeof methods] as (argument: unknown) => unknown
    const answer = method(work.argument(7))
    expect(work.isRight(7, answer)).toBe(true)
    expect(work.isRight(8, answer)).toBe(false)
  })
})
