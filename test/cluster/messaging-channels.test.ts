import { channel, type PublishReceipt, ValidationError } from 'troupe'
import { describe, expect, it } from 'vitest'
import { echoCluster, nextReady, pidOf, rejection } from '../support/echo-cluster.js'
import { news, numbers } from './fixtures/echo-contract.js'

describe('a channel', () => {
  it('reaches every subscriber, the primary and the publisher included', async () => {
    await using cluster = await echoCluster()
    const heard: string[] = []
    await cluster.subscribe(news, ({ text }) => heard.push(text)).active
    const receipt = await cluster.publish(news, { text: 'one' }, { ack: true })
    expect(receipt.failed).toEqual([])
    expect(receipt.acknowledged.map(({ id }) => id).sort()).toEqual([0, 1, 2])
    await cluster.call(1, 'publishFromHere', ['two', true])
    expect(heard).toEqual(['one', 'two'])
    for (const id of [1, 2]) expect(await cluster.call(id, 'heard', [])).toEqual(['one', 'two'])
  })

  it('leaves the publisher out with self: false', async () => {
    await using cluster = await echoCluster()
    const heard: string[] = []
    await cluster.subscribe(news, ({ text }) => heard.push(text)).active
    const receipt = await cluster.publish(news, { text: 'not for me' }, { ack: true, self: false })
    expect(receipt.acknowledged.map(({ id }) => id).sort()).toEqual([1, 2])
    expect(heard).toEqual([])
  })

  it('says in the receipt who failed, with what the handler threw', async () => {
    await using cluster = await echoCluster({ silent: true })
    const receipt = await cluster.publish(numbers, -1, { ack: true })
    expect(receipt.acknowledged).toEqual([])
    expect(receipt.failed.map(({ id, error }) => [id, error.code])).toEqual([
      [1, 'ERR_REMOTE'],
      [2, 'ERR_REMOTE'],
    ])
    expect(receipt.failed[0]?.error.message).toContain('refuses -1')
  })

  it('counts a handler that does not settle as failed at the deadline', async () => {
    await using cluster = await echoCluster()
    const silence = channel<number>('silence')
    await cluster.subscribe(silence, () => new Promise(() => {})).active
    const receipt = await cluster.publish(silence, 1, { ack: true, timeout: 40 })
    expect(receipt).toMatchObject({ acknowledged: [], failed: [{ id: 0, error: { code: 'ERR_CALL_TIMEOUT' } }] })
  })

  it('gives each handler its own copy, and a throwing one spares the others', async () => {
    const errors: unknown[] = []
    await using cluster = await echoCluster({ logger: { warn() {}, error: (_message, error) => errors.push(error) } })
    const boxes = channel<{ list: number[] }>('boxes')
    const seen: number[][] = []
    cluster.subscribe(boxes, () => {
      throw new Error('first handler')
    })
    cluster.subscribe(boxes, ({ list }) => void list.push(99))
    const last = cluster.subscribe(boxes, ({ list }) => void seen.push(list))
    await last.active
    await cluster.publish(boxes, { list: [1] }, { ack: true })
    expect(seen).toEqual([[1]])
    expect(errors).toMatchObject([{ message: 'first handler' }])
  })

  it('ends with unsubscribe, and with using', async () => {
    await using cluster = await echoCluster()
    const heard: string[] = []
    {
      using subscription = cluster.subscribe(news, ({ text }) => heard.push(text))
      await subscription.active
      await cluster.publish(news, { text: 'inside' }, { ack: true })
    }
    await cluster.publish(news, { text: 'outside' }, { ack: true })
    expect(heard).toEqual(['inside'])
  })

  it('validates by its schema before anything is sent', async () => {
    await using cluster = await echoCluster()
    const positive = channel<number>('positive', {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) =>
          typeof value === 'number' && value > 0 ? { value } : { issues: [{ message: 'must be positive' }] },
      },
    })
    const error = await rejection(cluster.publish(positive, -1))
    expect(error).toBeInstanceOf(ValidationError)
    expect((error as Error).message).toContain('must be positive')
  })

  it('keeps the order of one publisher', async () => {
    await using cluster = await echoCluster()
    const sent = Array.from({ length: 500 }, (_, index) => String(index))
    for (const text of sent) void cluster.publish(news, { text })
    await cluster.publish(news, { text: 'end' }, { ack: true })
    expect(await cluster.call(2, 'heard', [])).toEqual([...sent, 'end'])
  })
})

describe('10 000 acknowledged publishes while workers are killed', () => {
  it('all resolve, and each receipt names exactly who acknowledged', async () => {
    await using cluster = await echoCluster({
      workers: 4,
      restart: { max: 1_000_000, within: 1_000, backoff: { min: 1, max: 5 } },
    })
    const total = 10_000
    /** By incarnation: each must be in exactly one list of a receipt, and never after it was gone. */
    const idOf = new Map([...cluster.workers.values()].map(({ incarnation, id }) => [incarnation, id]))
    cluster.on('fork', ({ id, incarnation }) => idOf.set(incarnation, id))
    const deadAt = new Map<number, number>()
    cluster.on('exit', ({ incarnation }) => deadAt.set(incarnation, performance.now()))

    let kills = 0
    let running = true
    const killer = (async () => {
      while (running) {
        const id = (kills % 4) + 1
        const ready = nextReady(cluster, id)
        process.kill(pidOf(cluster, id), 'SIGKILL')
        kills++
        await ready
      }
    })()

    /** What the receipts claim of each incarnation. */
    const claimed = new Map<number, number[]>()
    let settled = 0
    let failures = 0
    const codes = new Set<string>()
    const check = (number: number, receipt: PublishReceipt, startedAt: number): void => {
      const named = [...receipt.acknowledged, ...receipt.failed]
      const incarnations = named.map(({ incarnation }) => incarnation)
      expect(new Set(incarnations).size).toBe(incarnations.length)
      for (const { id, incarnation } of named) expect(idOf.get(incarnation)).toBe(id)
      for (const { incarnation } of receipt.acknowledged) {
        claimed.set(incarnation, [...(claimed.get(incarnation) ?? []), number])
        const died = deadAt.get(incarnation)
        expect(died === undefined || died >= startedAt).toBe(true)
      }
      for (const { error } of receipt.failed) codes.add(error.code)
      failures += receipt.failed.length
      settled++
    }
    let next = 0
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        while (next < total) {
          const number = next++
          const startedAt = performance.now()
          check(number, await cluster.publish(numbers, number, { ack: true }), startedAt)
        }
      }),
    )
    running = false
    await killer
    expect(settled).toBe(total)
    expect(codes.size === 0 || (codes.size === 1 && codes.has('ERR_WORKER_GONE'))).toBe(true)
    expect(kills).toBeGreaterThan(0)
    console.log(
      `${total} acknowledged publishes, ${kills} kills: ${settled} receipts, ${failures} failed entries, all ${[...codes]}`,
    )

    // Who lives can be asked: its handlers have settled for exactly the messages that it is said to have acknowledged.
    const sorted = (numbers: readonly number[] = []): number[] => [...numbers].sort((a, b) => a - b)
    for (const { id, incarnation } of cluster.workers.values()) {
      expect(sorted(await cluster.call(id, 'handled', []))).toEqual(sorted(claimed.get(incarnation)))
    }
    expect(failures).toBeGreaterThan(0)

    const quiet = await cluster.publish(numbers, 1, { ack: true })
    expect(quiet.acknowledged.map(({ id }) => id).sort()).toEqual([1, 2, 3, 4])
    expect(quiet.failed).toEqual([])
  })
})
