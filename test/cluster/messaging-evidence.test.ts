import { writeFileSync } from 'node:fs'
import { CallTimeoutError, type TroupeError, WorkerGoneError } from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import { echoCluster, nextReady, pidOf, rejection } from '../support/echo-cluster.js'
import { endAll, temporaryFolder } from '../support/processes.js'

afterEach(endAll)

const failed = async <E extends TroupeError>(call: Promise<unknown>): Promise<E> => (await rejection(call)) as E

describe('a call that failed says what was known of it', () => {
  it('it ran', async () => {
    await using cluster = await echoCluster()
    const error = await failed<CallTimeoutError>(cluster.call(1, 'never', [], { timeout: 700 }))
    expect(error).toBeInstanceOf(CallTimeoutError)
    expect(error).toMatchObject({ sent: 'yes', stage: { kind: 'running' } })
    expect(error.age).toBeGreaterThanOrEqual(0)
    expect(error.message).toMatch(/Its outcome is unknown: \d+ ms before that it had been running for \d+ ms/)
  })

  it('it waited behind others', async () => {
    await using cluster = await echoCluster()
    const ahead = Promise.allSettled([cluster.call(1, 'turn', [5_000]), cluster.call(1, 'turn', [5_000])])
    const error = await failed<CallTimeoutError>(cluster.call(1, 'turn', [1], { timeout: 700 }))
    expect(error).toMatchObject({ sent: 'maybe', stage: { kind: 'queued', position: 2, behind: ['turn'] } })
    await cluster.stop({ force: true })
    await ahead
  })

  it('nothing, when its worker was blocked before it came', async () => {
    await using cluster = await echoCluster()
    await cluster.call(1, 'block', [1_500])
    const error = await failed<CallTimeoutError>(cluster.call(1, 'echo', ['x'], { timeout: 700 }))
    expect(error).toMatchObject({ sent: 'maybe', stage: { kind: 'unknown' }, age: undefined, lag: undefined })
  })

  it('it ran before its worker was killed', async () => {
    await using cluster = await echoCluster()
    const call = failed<WorkerGoneError>(cluster.call(1, 'never', [], { timeout: 20_000 }))
    // The later one has been heard of when it fails, and so has the earlier one.
    expect(await failed(cluster.call(1, 'never', [], { timeout: 700 }))).toMatchObject({ stage: { kind: 'running' } })
    process.kill(pidOf(cluster, 1), 'SIGKILL')
    const error = await call
    expect(error).toBeInstanceOf(WorkerGoneError)
    expect(error).toMatchObject({ sent: 'yes', stage: { kind: 'running' }, signal: 'SIGKILL' })
    expect(error.message).toContain('had been running for')
  })
})

describe('a call that may happen twice', () => {
  const fileOf = (lives: number): string => {
    const file = `${temporaryFolder()}/lives`
    writeFileSync(file, 'x'.repeat(lives))
    return file
  }

  it('is answered by the replacement when it was inside the worker that died', async () => {
    await using cluster = await echoCluster()
    const pid = pidOf(cluster, 1)
    expect(await cluster.call(1, 'flaky', [fileOf(1)], { timeout: 30_000 })).toBe(pidOf(cluster, 1))
    expect(pidOf(cluster, 1)).not.toBe(pid)
  })

  it("is answered by another worker at once when it was for 'any'", async () => {
    await using cluster = await echoCluster()
    const answered = (await cluster.call('any', 'flaky', [fileOf(1)], { timeout: 30_000 })) as number
    expect([...cluster.workers.values()].map(({ pid }) => pid)).toContain(answered)
  })

  it('takes no more than two workers with it', async () => {
    await using cluster = await echoCluster()
    const exits: number[] = []
    cluster.on('exit', ({ id }) => exits.push(id))
    const error = await failed<WorkerGoneError>(cluster.call(1, 'flaky', [fileOf(9)], { timeout: 30_000 }))
    expect(error).toMatchObject({ code: 'ERR_WORKER_GONE', id: 1 })
    await expect.poll(() => cluster.workers.get(1)?.state, { timeout: 20_000 }).toBe('ready')
    expect(exits).toEqual([1, 1])
  })

  it('is not sent again when its caller has given it up meanwhile', async () => {
    await using cluster = await echoCluster()
    const ready = nextReady(cluster, 1)
    const controller = new AbortController()
    const call = failed(cluster.call(1, 'flaky', [fileOf(2)], { signal: controller.signal, timeout: 30_000 }))
    cluster.on('exit', () => controller.abort())
    expect(await call).toMatchObject({ code: 'ERR_CALL_ABORTED' })
    await ready
    // Behind whatever may have been sent to it.
    expect(await cluster.call(1, 'add', [1, 2])).toBe(3)
  })
})
