import { joinCluster, UsageError } from 'troupe'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { echoCluster, nextReady, pidOf, rejection } from '../support/echo-cluster.js'

describe('while the cluster stops', () => {
  it('running methods may still call others, and new calls are refused', async () => {
    const cluster = await echoCluster({ timeouts: { drain: 5_000 } })
    const running = cluster.call(1, 'callAfter', [200, 2])
    await expect.poll(() => cluster.workers.get(1)?.calls).toBe(1)
    const stopped = cluster.stop()
    expect(await running).toEqual(['late'])
    expect(await rejection(cluster.call(2, 'add', [1, 2]))).toMatchObject({ code: 'ERR_CLUSTER_CLOSED' })
    expect(await stopped).toEqual({ cut: 0, killed: 0 })
  })

  it('calls that nobody waits for any more are not waited for', async () => {
    const cluster = await echoCluster({ timeouts: { drain: 50_000 } })
    await rejection(cluster.call(1, 'never', [], { timeout: 20 }))
    await cluster.stop()
  })

  it('a slot that is removed takes no more calls, and answers what it has', async () => {
    await using cluster = await echoCluster({ timeouts: { drain: 20_000 } })
    const running = cluster.call(2, 'after', [300])
    let refusal: unknown
    const scaled = cluster.scale(1)
    while (!refusal)
      refusal = await cluster.call(2, 'add', [1, 2]).then(
        () => undefined,
        (error: unknown) => error,
      )
    expect(refusal).toMatchObject({ code: 'ERR_NO_SUCH_WORKER' })
    expect(await running).toBe(300)
    await scaled
    expect([...cluster.workers.keys()]).toEqual([1])
  })
})

describe('what is over a limit', () => {
  it('says when the mailbox is full of calls that were given up', async () => {
    await using cluster = await echoCluster({ limits: { mailbox: 3 } })
    await Promise.all([1, 2, 3].map(() => rejection(cluster.call(1, 'never', [], { timeout: 20 }))))
    const error = await rejection(cluster.call(1, 'add', [1, 2]))
    expect(error).toMatchObject({ code: 'ERR_MAILBOX_FULL' })
    expect((error as Error).message).toContain('3 of them still run though their callers gave up')
    expect(await cluster.call('any', 'who', [])).toMatchObject({ id: 2 })
  })

  it('is refused to whoever casts without waiting, and what was taken arrives', async () => {
    await using cluster = await echoCluster({ limits: { link: 100 } })
    process.kill(pidOf(cluster, 1), 'SIGSTOP')
    const codes: string[] = []
    // More than the pipe takes: what waits for that is what is limited.
    const casts = Array.from({ length: 20_000 }, (_, value) =>
      cluster.cast(1, 'note', [value]).then(
        () => codes.push('taken'),
        (error: { code: string }) => codes.push(error.code),
      ),
    )
    await expect.poll(() => codes.filter((code) => code === 'ERR_MAILBOX_FULL').length).toBeGreaterThan(0)
    process.kill(pidOf(cluster, 1), 'SIGCONT')
    await Promise.all(casts)
    const taken = codes.filter((code) => code === 'taken').length
    expect(new Set(codes)).toEqual(new Set(['taken', 'ERR_MAILBOX_FULL']))
    await expect.poll(async () => (await cluster.call(1, 'noted', [])).length).toBe(taken)
  })

  it('takes turns among idle workers for casts to any', async () => {
    await using cluster = await echoCluster()
    for (let value = 0; value < 20; value++) await cluster.cast('any', 'note', [value])
    const noted = await Promise.all([1, 2].map((id) => cluster.call(id, 'noted', [])))
    expect(noted.map(({ length }) => length)).toEqual([10, 10])
  })
})

describe('one signal for many calls', () => {
  const warnings: Error[] = []
  const listener = (warning: Error): void => void warnings.push(warning)
  beforeEach(() => process.on('warning', listener))
  afterEach(() => process.off('warning', listener))

  it('gets one listener, and aborts them all', async () => {
    await using cluster = await echoCluster()
    const controller = new AbortController()
    const calls = Array.from({ length: 50 }, () => cluster.call(1, 'never', [], { signal: controller.signal }))
    await expect.poll(() => cluster.workers.get(1)?.calls).toBe(50)
    controller.abort()
    for (const error of await Promise.all(calls.map(rejection)))
      expect(error).toMatchObject({ code: 'ERR_CALL_ABORTED' })
    expect(warnings).toEqual([])
  })
})

describe('a worker that joins late', () => {
  it('knows the slots that have no process now, and its casts wait for them', async () => {
    await using cluster = await echoCluster({ workers: 3, restart: { backoff: { min: 2_000 } }, silent: true })
    // The second death of worker 3 pauses it; worker 2 comes back meanwhile.
    for (let death = 0; death < 2; death++) {
      const gone = new Promise<void>((resolve) => {
        const off = cluster.on('exit', ({ id }) => {
          if (id !== 3) return
          off()
          resolve()
        })
      })
      const ready = death === 0 ? nextReady(cluster, 3) : undefined
      process.kill(pidOf(cluster, 3), 'SIGKILL')
      await gone
      await ready
    }
    const back = nextReady(cluster, 2)
    process.kill(pidOf(cluster, 2), 'SIGKILL')
    await back
    expect(await cluster.call(2, 'workerIds', [])).toEqual([1, 2, 3])
  })
})

describe('joinCluster in the primary', () => {
  it('is refused, because it would make a second cluster', async () => {
    await using cluster = await echoCluster()
    expect(cluster.workers.size).toBe(2)
    expect(await rejection(joinCluster({}))).toBeInstanceOf(UsageError)
  })
})
