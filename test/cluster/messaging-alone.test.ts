import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { channel, joinCluster, NoSuchMethodError, NoSuchWorkerError } from 'troupe'
import { describe, expect, it } from 'vitest'
import { ECHO_WORKER, rejection } from '../support/echo-cluster.js'

describe('joinCluster outside a cluster', () => {
  const methods = { double: (value: number) => value * 2, keep: (value: unknown) => value }

  it('is worker 1 of a cluster of one', async () => {
    const cluster = await joinCluster<{ worker: typeof methods }>(methods)
    expect(cluster.id).toBe(1)
    expect([...cluster.workers.keys()]).toEqual([1])
    expect(await cluster.call(1, 'double', [4])).toBe(8)
    await expect.poll(() => cluster.call('any', 'double', [5])).toBe(10)
    expect(await rejection(cluster.call(2, 'double', [1]))).toBeInstanceOf(NoSuchWorkerError)
    expect(await rejection(cluster.call('primary', 'x' as never, [] as never))).toBeInstanceOf(NoSuchMethodError)
  })

  it('sends everything through the codec', async () => {
    const cluster = await joinCluster<{ worker: typeof methods }>(methods)
    const value = { at: new Date(1), list: [1, 2] }
    const back = await cluster.call(1, 'keep', [value])
    expect(back).toEqual(value)
    expect(back).not.toBe(value)
    expect(await rejection(cluster.call(1, 'keep', [() => 1]))).toMatchObject({ code: 'ERR_PAYLOAD' })
  })

  it('has working channels', async () => {
    const cluster = await joinCluster(methods)
    const heard: number[] = []
    const topic = channel<number>('alone')
    await cluster.subscribe(topic, (value) => heard.push(value)).active
    expect(await cluster.publish(topic, 3, { ack: true })).toEqual({
      acknowledged: [{ id: 1, incarnation: 1 }],
      failed: [],
    })
    expect(heard).toEqual([3])
  })

  it('lets a worker file run by itself and end by itself', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [ECHO_WORKER.pathname], { timeout: 20_000 })
    expect(stdout).toBe('')
  })
})
