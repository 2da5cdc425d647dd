import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import {
  CallAbortedError,
  CallTimeoutError,
  type ClusterOptions,
  joinCluster,
  MethodKindError,
  type PrimaryCluster,
  RemoteError,
  type Stream,
  WorkerGoneError,
} from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import { rejection } from '../support/echo-cluster.js'
import { endAll, fixture, SOON, startCluster } from '../support/processes.js'
import type { StreamContract } from './fixtures/stream-methods.js'

type StreamCluster = PrimaryCluster<StreamContract>

function streamCluster(options: ClusterOptions<StreamContract> = {}): Promise<StreamCluster> {
  return startCluster<StreamContract>({
    exec: fixture('streams'),
    workers: 2,
    timeouts: { drain: 5_000, settle: 50 },
    methods: {
      async *tick(count: number) {
        for (let item = 0; item < count; item++) yield item
      },
    },
    ...options,
  })
}

async function readAll<T>(stream: Stream<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, item) => item)
const pidOf = (cluster: StreamCluster, id: number): number => cluster.workers.get(id)?.pid as number
const seen = (cluster: StreamCluster, name: string, at = 2) => cluster.call(at, 'seen', [name])

/** Resolves when the generator of that name makes no more items: it waits for its reader. */
async function heldUp(cluster: StreamCluster, name: string): Promise<number> {
  let before = -1
  await expect
    .poll(
      async () => {
        const made = (await seen(cluster, name))?.made ?? 0
        const still = made > 0 && made === before
        before = made
        return still
      },
      { ...SOON, interval: 100 },
    )
    .toBe(true)
  return before
}

afterEach(endAll)

describe('a stream arrives whole and in order', () => {
  it('from a worker to the primary, from any of them, and by a proxy', async () => {
    const cluster = await streamCluster()
    expect(await readAll(cluster.stream(1, 'count', [5_000]))).toEqual(upTo(5_000))
    expect(await readAll(cluster.stream('any', 'count', [10]))).toEqual(upTo(10))
    expect(await readAll(cluster.worker(2).count(10))).toEqual(upTo(10))
  })

  it('from worker to worker, from a worker to itself, and from the primary to a worker and to itself', async () => {
    const cluster = await streamCluster()
    const texts = upTo(2_000).map((item) => `${item}`.padEnd(10, 'x'))
    expect(await readAll(cluster.stream(1, 'relay', [2, 'other', 2_000]))).toEqual(texts)
    expect(await readAll(cluster.stream(1, 'relay', [1, 'own', 2_000]))).toEqual(texts)
    expect(await cluster.call(1, 'sumOfPrimary', [1_000])).toBe(499_500)
    expect(await readAll(cluster.stream('primary', 'tick', [1_000]))).toEqual(upTo(1_000))
  })

  it('many at once between the same two', async () => {
    const cluster = await streamCluster()
    const streams = upTo(20).map((index) => readAll(cluster.stream(1, 'count', [500 + index])))
    expect((await Promise.all(streams)).map(({ length }) => length)).toEqual(upTo(20).map((index) => 500 + index))
    expect((await Promise.all(streams)).every((items) => items.every((item, index) => item === index))).toBe(true)
  })

  it('in chunks of bytes, of which none is lost or changed', async () => {
    const cluster = await streamCluster()
    const hash = createHash('sha256')
    const kinds = new Set<string>()
    for await (const chunk of cluster.stream(1, 'bytes', [40, 50_000])) {
      if (typeof chunk === 'string') expect(hash.digest('hex')).toBe(chunk)
      else {
        hash.update(chunk)
        kinds.add(chunk.constructor.name)
      }
    }
    expect(kinds).toEqual(new Set(['Buffer', 'Uint8Array']))
  })

  it('in a cluster of one', async () => {
    const methods = {
      async *count(to: number) {
        for (let item = 0; item < to; item++) yield { item }
      },
    }
    const cluster = await joinCluster<{ worker: typeof methods }>(methods)
    expect(await readAll(cluster.stream(1, 'count', [1_000]))).toEqual(upTo(1_000).map((item) => ({ item })))
    await expect.poll(() => readAll(cluster.any().count(3))).toHaveLength(3)
  })
})

describe('a slow reader', () => {
  it('holds up its generator at the limit, and nothing else: calls and other streams of the two go on', async () => {
    const cluster = await streamCluster()
    const slow = cluster.stream(2, 'texts', ['slow', 1_000_000])
    expect((await slow.next()).value).toBe('0xxxxxxxxx')
    expect(await heldUp(cluster, 'slow')).toBeLessThanOrEqual(1 + 64)
    expect(await readAll(cluster.stream(2, 'count', [3_000]))).toEqual(upTo(3_000))
    expect(await cluster.call(2, 'who', [])).toBe(pidOf(cluster, 2))
    for (let item = 1; item <= 200; item++) expect((await slow.next()).value).toBe(`${item}`.padEnd(10, 'x'))
    expect(await heldUp(cluster, 'slow')).toBeLessThanOrEqual(201 + 64)
    await slow.return()
  })

  it('of large items holds it up by their size', async () => {
    const cluster = await streamCluster({ limits: { streamBytes: 100_000 } })
    const slow = cluster.stream(2, 'texts', ['large', 1_000, 30_000])
    await slow.next()
    expect(await heldUp(cluster, 'large')).toBeLessThanOrEqual(1 + 4)
    expect(await readAll(slow)).toHaveLength(999)
  })

  it('with a window of one gets each item when it asks for the one before', async () => {
    const cluster = await streamCluster()
    const slow = cluster.stream(2, 'texts', ['one', 100], { window: 1 })
    for (let item = 0; item < 5; item++) await slow.next()
    expect(await heldUp(cluster, 'one')).toBe(6)
    await slow.return()
  })

  it('that never reads does not keep its worker for ever', async () => {
    const cluster = await streamCluster()
    await cluster.call(1, 'openOnly', [2, 'unread', 300])
    expect(await heldUp(cluster, 'unread')).toBe(64)
    await expect.poll(() => seen(cluster, 'unread'), SOON).toEqual({ made: 64, closed: true, signal: 'AbortError' })
    expect(cluster.workers.get(2)?.calls).toBe(0)
  })
})

describe('a reader that leaves', () => {
  it('by break, by an error of its own, and by its signal, ends the generator', async () => {
    const cluster = await streamCluster()
    const closed = { closed: true, signal: 'AbortError' }
    for await (const text of cluster.stream(2, 'texts', ['break', 1_000_000])) if (text.startsWith('100x')) break
    await expect.poll(() => seen(cluster, 'break'), SOON).toMatchObject(closed)

    const failing = async () => {
      for await (const _ of cluster.stream(2, 'texts', ['throw', 1_000_000])) throw new Error('mine')
    }
    await expect(failing()).rejects.toThrow('mine')
    await expect.poll(() => seen(cluster, 'throw'), SOON).toMatchObject(closed)

    const controller = new AbortController()
    const stream = cluster.stream(2, 'texts', ['signal', 1_000_000], { signal: controller.signal })
    await stream.next()
    controller.abort()
    expect(await rejection(stream.next())).toBeInstanceOf(CallAbortedError)
    await expect.poll(() => seen(cluster, 'signal'), SOON).toMatchObject(closed)
    expect(cluster.workers.get(2)?.calls).toBe(0)
  })

  it('while the generator waits for another stream ends that one too', async () => {
    const cluster = await streamCluster()
    const stream = cluster.stream(1, 'relay', [2, 'nested', 1_000_000])
    await stream.next()
    await stream.return()
    await expect.poll(() => seen(cluster, 'nested'), SOON).toMatchObject({ closed: true })
    expect(cluster.workers.get(1)?.calls).toBe(0)
  })

  it('gives the place of a serial stream to the next', async () => {
    const cluster = await streamCluster()
    const first = cluster.stream(1, 'serial', [])
    await first.next()
    const second = cluster.stream(1, 'serial', [])
    const item = second.next()
    await first.return()
    expect((await item).value).toBe(0)
    await second.return()
  })
})

describe('an error', () => {
  it('comes after the items that were before it, with both stacks', async () => {
    const cluster = await streamCluster()
    const items: number[] = []
    async function reader() {
      for await (const item of cluster.stream(1, 'failAfter', [150])) items.push(item)
    }
    const error = (await rejection(reader())) as RemoteError
    expect(items).toEqual(upTo(150))
    expect(error).toBeInstanceOf(RemoteError)
    expect(error.remote).toMatchObject({ name: 'RangeError', code: 'E_END', message: 'no more of it' })
    expect(error.remote.stack).toContain('stream-methods')
    expect(error.stack).toContain('reader')
  })

  it('of a stream that falls silent says so, and the worker may go', async () => {
    const cluster = await streamCluster()
    const stream = cluster.stream(1, 'quiet', [], { timeout: 200 })
    await stream.next()
    const error = await rejection(stream.next())
    expect(error).toBeInstanceOf(CallTimeoutError)
    expect(error).toMatchObject({
      sent: 'yes',
      message: expect.stringContaining('sent no item for 200 ms (1 item had'),
    })
  })

  it('tells a stream that was called from a method that was read', async () => {
    const cluster = await streamCluster()
    expect(await rejection(cluster.call(1, 'count' as never, [1] as never))).toBeInstanceOf(MethodKindError)
    expect(await rejection(cluster.stream(1, 'who' as never, [] as never).next())).toBeInstanceOf(MethodKindError)
    expect(await rejection(cluster.cast(1, 'count' as never, [1] as never))).toBeInstanceOf(MethodKindError)
  })
})

describe('a death', () => {
  it('of the worker gives what had arrived, in order, then WorkerGoneError; the id works again', async () => {
    const cluster = await streamCluster()
    const pid = pidOf(cluster, 2)
    const items: number[] = []
    const reading = (async () => {
      for await (const item of cluster.stream(2, 'every', [1, 1_000_000])) items.push(item)
    })()
    reading.catch(() => {})
    await expect.poll(() => items.length, SOON).toBeGreaterThan(20)
    process.kill(pid, 'SIGKILL')
    const error = await rejection(reading)
    expect(error).toBeInstanceOf(WorkerGoneError)
    expect(error).toMatchObject({ id: 2, pid, signal: 'SIGKILL', sent: 'yes', method: 'every' })
    expect(items).toEqual(upTo(items.length))
    expect(await readAll(cluster.stream(2, 'count', [10]))).toEqual(upTo(10))
  })

  it('of the worker while its reader is slow keeps for it what had arrived', async () => {
    const cluster = await streamCluster()
    const stream = cluster.stream(2, 'texts', ['kept', 1_000_000])
    await stream.next()
    await heldUp(cluster, 'kept')
    const gone = new Promise((resolve) => cluster.on('exit', resolve))
    process.kill(pidOf(cluster, 2), 'SIGKILL')
    await gone
    const items: string[] = []
    const error = await rejection(
      (async () => {
        for await (const item of stream) items.push(item)
      })(),
    )
    expect(items).toEqual(
      upTo(64)
        .slice(1)
        .map((item) => `${item}`.padEnd(10, 'x')),
    )
    expect(error).toMatchObject({ code: 'ERR_WORKER_GONE', sent: 'yes' })
  })

  it('of the reader ends the generator', async () => {
    const cluster = await streamCluster()
    void cluster.call(1, 'readFrom', [2, 'orphan', 5], { timeout: 60_000 }).catch(() => {})
    await expect.poll(async () => (await seen(cluster, 'orphan'))?.made ?? 0, SOON).toBeGreaterThan(70)
    process.kill(pidOf(cluster, 1), 'SIGKILL')
    await expect.poll(() => seen(cluster, 'orphan'), SOON).toMatchObject({ closed: true, signal: 'AbortError' })
    expect(cluster.workers.get(2)?.calls).toBe(0)
  })

  it('of a reader that was frozen ends it too, and until then it has made no more than there was room for', async () => {
    const cluster = await streamCluster()
    void cluster.call(1, 'readFrom', [2, 'frozen', 1], { timeout: 60_000 }).catch(() => {})
    await expect.poll(async () => (await seen(cluster, 'frozen'))?.made ?? 0, SOON).toBeGreaterThan(70)
    process.kill(pidOf(cluster, 1), 'SIGSTOP')
    const held = await heldUp(cluster, 'frozen')
    expect(await readAll(cluster.stream(2, 'count', [500]))).toEqual(upTo(500))
    process.kill(pidOf(cluster, 1), 'SIGKILL')
    await expect.poll(() => seen(cluster, 'frozen'), SOON).toMatchObject({ made: held, closed: true })
  })

  it('of both at once leaves nothing behind', async () => {
    const cluster = await streamCluster()
    void cluster.call(1, 'readFrom', [2, 'both', 1], { timeout: 60_000 }).catch(() => {})
    await expect.poll(async () => (await seen(cluster, 'both'))?.made ?? 0, SOON).toBeGreaterThan(70)
    for (const id of [1, 2]) process.kill(pidOf(cluster, id), 'SIGKILL')
    await expect
      .poll(() => readAll(cluster.stream(1, 'relay', [2, 'again', 10])).catch(() => []), SOON)
      .toHaveLength(10)
    expect([...cluster.workers.values()].map(({ calls }) => calls)).toEqual([0, 0])
  })
})

describe('a reload', () => {
  it('lets a stream that runs come to its end, while the new worker serves', async () => {
    const cluster = await streamCluster()
    const before = pidOf(cluster, 1)
    const stream = cluster.stream(1, 'every', [20, 60])
    await stream.next()
    const reloaded = cluster.reload()
    await expect.poll(() => pidOf(cluster, 1), SOON).not.toBe(before)
    expect(await readAll(cluster.stream(1, 'count', [5]))).toEqual(upTo(5))
    expect(await readAll(stream)).toEqual(upTo(60).slice(1))
    expect(await reloaded).toMatchObject({ killed: 0 })
  })

  it('ends one that goes on for ever when the time to drain is over, with an error that says so', async () => {
    const cluster = await streamCluster({ timeouts: { drain: 400, settle: 50 } })
    const items: number[] = []
    const reading = (async () => {
      for await (const item of cluster.stream(1, 'every', [10, 1_000_000])) items.push(item)
    })()
    reading.catch(() => {})
    await expect.poll(() => items.length, SOON).toBeGreaterThan(1)
    await cluster.reload()
    const error = await rejection(reading)
    expect(error).toMatchObject({ code: 'ERR_WORKER_GONE', sent: 'yes', id: 1 })
    expect((error as Error).message).toMatch(/is being replaced or stopped, and its 400 ms to finish were over/)
    expect(items).toEqual(upTo(items.length))
  })

  it('and a stop do the same', async () => {
    const cluster = await streamCluster({ timeouts: { drain: 300 } })
    const stream = cluster.stream(1, 'every', [10, 1_000_000])
    await stream.next()
    const reading = readAll(stream)
    reading.catch(() => {})
    await wait(0)
    expect(await cluster.stop()).toMatchObject({ killed: 0 })
    expect(await rejection(reading)).toMatchObject({ code: 'ERR_WORKER_GONE', sent: 'yes' })
    expect(await rejection(cluster.stream(1, 'count', [1]).next())).toMatchObject({ code: 'ERR_CLUSTER_CLOSED' })
  })
})
