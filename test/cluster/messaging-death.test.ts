import { NoSuchWorkerError, type TroupeError, WorkerGoneError, WorkerUnavailableError } from 'troupe'
import { describe, expect, it } from 'vitest'
import { echoCluster, nextReady, pidOf, rejection } from '../support/echo-cluster.js'

describe('the death of a worker', () => {
  it('rejects each of 1 000 calls in flight exactly once, and the id works again when its replacement is ready', async () => {
    await using cluster = await echoCluster()
    const incarnation = cluster.workers.get(1)?.incarnation
    const pid = pidOf(cluster, 1)
    const settlements: number[] = new Array(1_000).fill(0)
    const errors: TroupeError[] = []
    let lastRejection = 0
    const calls = settlements.map((_, index) =>
      cluster.call(1, 'never', [], { timeout: 30_000 }).then(
        () => settlements[index]!++,
        (error: TroupeError) => {
          settlements[index]!++
          errors.push(error)
          lastRejection = performance.now()
        },
      ),
    )
    await expect.poll(() => cluster.workers.get(1)?.calls).toBe(1_000)

    const exited = new Promise<number>((resolve) => cluster.on('exit', () => resolve(performance.now())))
    const ready = nextReady(cluster, 1)
    process.kill(pid, 'SIGKILL')
    await Promise.all(calls)
    const exitAt = await exited

    expect(settlements.every((count) => count === 1)).toBe(true)
    expect(errors).toHaveLength(1_000)
    for (const error of errors) {
      expect(error).toBeInstanceOf(WorkerGoneError)
      expect(error).toMatchObject({
        id: 1,
        incarnation,
        pid,
        signal: 'SIGKILL',
        exitCode: null,
        // By then its worker may have said that it runs.
        sent: expect.stringMatching(/^(maybe|yes)$/),
        method: 'never',
      })
    }
    console.log(
      `1 000 calls in flight: rejected once each, the last ${(lastRejection - exitAt).toFixed(1)} ms after the exit event`,
    )
    // A bound on hanging: how soon is measured by `npm run chaos -- calls`.
    expect(lastRejection - exitAt).toBeLessThan(1_000)

    await ready
    expect(await cluster.call(1, 'who', [])).toMatchObject({ id: 1, pid: pidOf(cluster, 1) })
    expect(pidOf(cluster, 1)).not.toBe(pid)
  })

  it('rejects calls that other workers had made, and their calls to the replacement succeed', async () => {
    await using cluster = await echoCluster()
    const call = cluster.call(1, 'callOther', [2, 'untilAborted', 'x'], { timeout: 20_000 })
    await expect.poll(() => cluster.call(2, 'seen', ['x'])).toBe('running')
    process.kill(pidOf(cluster, 2), 'SIGKILL')
    expect(await rejection(call)).toMatchObject({
      code: 'ERR_REMOTE',
      remote: { code: 'ERR_WORKER_GONE', name: 'WorkerGoneError' },
    })
    expect(await cluster.call(1, 'callOther', [2, 'echo', 5])).toEqual([5])
  })

  it('carries the exit code when the worker exits, and when it throws', async () => {
    await using cluster = await echoCluster({ silent: true })
    expect(await rejection(cluster.call(1, 'exit', [7]))).toMatchObject({
      code: 'ERR_WORKER_GONE',
      exitCode: 7,
      signal: null,
    })
    const pending = cluster.call(1, 'never', [])
    // The first exit may still be on its way to the listeners: it waits for what the process had written.
    const exit = new Promise<{ output: string }>((resolve) =>
      cluster.on('exit', (event) => event.code === 1 && resolve(event)),
    )
    await cluster.cast(1, 'crash', [])
    expect(await rejection(pending)).toMatchObject({ code: 'ERR_WORKER_GONE', exitCode: 1 })
    expect((await exit).output).toContain('crashed on purpose')
  })

  it('fires the signal of what the dead worker had called', async () => {
    await using cluster = await echoCluster()
    void cluster.call(1, 'callOther', [2, 'untilAborted', 'orphan'], { timeout: 20_000 }).catch(() => {})
    await expect.poll(() => cluster.call(2, 'seen', ['orphan'])).toBe('running')
    process.kill(pidOf(cluster, 1), 'SIGKILL')
    await expect.poll(() => cluster.call(2, 'seen', ['orphan'])).toBe('AbortError')
  })

  it('lets calls to its id wait for the replacement, casts too, in order', async () => {
    await using cluster = await echoCluster()
    const ready = nextReady(cluster, 1)
    const gone = new Promise((resolve) => cluster.on('disconnect', resolve))
    process.kill(pidOf(cluster, 1), 'SIGKILL')
    await gone
    const early = [cluster.call(1, 'note', [1]), cluster.cast(1, 'note', [2]), cluster.call(1, 'note', [3])]
    await Promise.all(early)
    await ready
    expect(await cluster.call(1, 'noted', [])).toEqual([1, 2, 3])
  })

  it('ends a call that waits longer than its deadline with WorkerUnavailableError, certainly not sent', async () => {
    await using cluster = await echoCluster()
    const gone = new Promise((resolve) => cluster.on('disconnect', resolve))
    process.kill(pidOf(cluster, 1), 'SIGKILL')
    await gone
    const error = await rejection(cluster.call(1, 'who', [], { timeout: 5 }))
    expect(error).toBeInstanceOf(WorkerUnavailableError)
    expect(error).toMatchObject({ sent: 'no', retryable: true })
  })

  it('refuses more waiting calls than the limit at once', async () => {
    await using cluster = await echoCluster({ limits: { waiting: 3 } })
    const gone = new Promise((resolve) => cluster.on('disconnect', resolve))
    process.kill(pidOf(cluster, 1), 'SIGKILL')
    await gone
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => cluster.call(1, 'add', [1, 1])))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    for (const outcome of outcomes.slice(3))
      expect((outcome as PromiseRejectedResult).reason).toMatchObject({ code: 'ERR_WORKER_UNAVAILABLE', sent: 'no' })
  })

  it('leaves other workers alone', async () => {
    await using cluster = await echoCluster()
    const others = Array.from({ length: 200 }, () => cluster.call(2, 'after', [20]))
    process.kill(pidOf(cluster, 1), 'SIGKILL')
    expect(new Set(await Promise.all(others))).toEqual(new Set([20]))
  })

  it('in a stopped cluster is nobody: calls are refused at once', async () => {
    const cluster = await echoCluster()
    await cluster.stop()
    expect(await rejection(cluster.call(1, 'add', [1, 2]))).toMatchObject({ code: 'ERR_CLUSTER_CLOSED' })
    expect(await rejection(cluster.cast(1, 'add', [1, 2]))).toMatchObject({ code: 'ERR_CLUSTER_CLOSED' })
    expect(NoSuchWorkerError.name).toBe('NoSuchWorkerError')
  })

  it('keeps a mailbox bounded: over the limit calls are refused at once, to any worker the next one takes them', async () => {
    await using cluster = await echoCluster({ limits: { mailbox: 5 } })
    const held = Array.from({ length: 5 }, () => cluster.call(1, 'after', [500]))
    expect(await rejection(cluster.call(1, 'add', [1, 2]))).toMatchObject({
      code: 'ERR_MAILBOX_FULL',
      limit: 5,
      sent: 'no',
      retryable: true,
    })
    expect(await cluster.call('any', 'who', [])).toMatchObject({ id: 2 })
    await Promise.all(held)
    expect(await cluster.call(1, 'add', [1, 2])).toBe(3)
  })
})
