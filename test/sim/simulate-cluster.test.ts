import { describe, expect, test } from 'vitest'
import { channel } from '../../src/protocol/contract.js'
import { BootError, CallTimeoutError, UsageError, WorkerGoneError } from '../../src/protocol/errors.js'
import { currentCall } from '../../src/runtime/messaging/call-context.js'
import * as testing from '../../src/testing/index.js'
import { SimulationError, simulateCluster, type WorkerProcess } from '../../src/testing/index.js'
import { rejection, thrown } from '../support/outcome.js'

// The simulated cluster as a user has it.

const methods = (process: WorkerProcess) => ({
  who: () => `${process.id}/${process.incarnation}`,
  async slow(ms: number) {
    await process.sleep(ms)
    return currentCall().remaining
  },
  leave: (code: number) => process.exit(code),
  echo: (value: unknown) => value,
})

describe('a simulated cluster', () => {
  test('answers calls', async () => {
    const sim = await simulateCluster({ workers: 3, methods })
    expect(await sim.until(sim.cluster.call(2, 'who', []))).toBe('2/2')
    expect(await sim.until(sim.cluster.call(3, 'slow', [1_000]))).toBeGreaterThan(3_900)
    const value = { at: new Date(5), set: new Set([1n]) }
    const back = await sim.until(sim.cluster.call('any', 'echo', [value]))
    expect(back).toEqual(value)
    expect(back).not.toBe(value)
  })

  test('takes no real time for virtual time', async () => {
    const sim = await simulateCluster({ methods, options: { timeouts: { call: 900_000 } } })
    const from = sim.clock.now
    await sim.until(sim.cluster.call(1, 'slow', [600_000]))
    expect(sim.clock.now - from).toBeGreaterThan(599_999)
  })

  test('restarts who is killed, and says so to who waited', async () => {
    const sim = await simulateCluster({ methods })
    const failed = rejection(WorkerGoneError, sim.cluster.call(1, 'slow', [1_000]))
    await sim.clock.advance(10)
    sim.kill(1)
    await sim.clock.run()
    expect(await failed).toMatchObject({ id: 1, incarnation: 1, signal: 'SIGKILL' })
    expect(await sim.until(sim.cluster.call(1, 'who', []))).toBe('1/3')
  })

  test('tells of an exit code', async () => {
    const sim = await simulateCluster({ methods })
    const failed = rejection(WorkerGoneError, sim.until(sim.cluster.call(1, 'leave', [3])))
    expect(await failed).toMatchObject({ exitCode: 3 })
  })

  test('a frozen worker answers when it is thawed', async () => {
    const sim = await simulateCluster({ methods })
    sim.freeze(1)
    const late = rejection(CallTimeoutError, sim.cluster.call(1, 'who', [], { timeout: 100 }))
    const inTime = sim.cluster.call(1, 'who', [])
    await sim.clock.advance(500)
    await late
    sim.thaw(1)
    await sim.clock.advance(5)
    expect(await inTime).toBe('1/1')
  })

  test('a blocked worker answers when it is done, and the others meanwhile', async () => {
    const sim = await simulateCluster({ methods })
    sim.block(1, 400)
    const from = sim.clock.now
    await sim.until(sim.cluster.call(2, 'who', []))
    expect(sim.clock.now - from).toBeLessThan(2)
    await sim.until(sim.cluster.call(1, 'who', []))
    expect(sim.clock.now - from).toBeGreaterThan(400)
  })

  test('a worker calls others, and hears what is published', async () => {
    const news = channel<string>('news')
    const heard: string[] = []
    const sim = await simulateCluster({
      methods,
      program: (cluster, process) => {
        cluster.subscribe(news, async (text) => {
          heard.push(`${process.id} ${text} ${await cluster.call('any', 'echo', [1])}`)
        })
      },
    })
    const receipt = await sim.until(sim.cluster.publish(news, 'hello', { ack: true }))
    expect(receipt.acknowledged.map(({ id }) => id)).toEqual([1, 2])
    expect(heard.sort()).toEqual(['1 hello 1', '2 hello 1'])
  })

  test('recovers from whatever has befallen it', async () => {
    const sim = await simulateCluster({
      workers: 3,
      methods,
      seed: 42,
      faults: { every: 100, kill: 3, freeze: 1, block: 1, delay: 1, reload: 1, scale: 1, slowStart: 0.2 },
    })
    await sim.clock.advance(5_000)
    await sim.heal()
    for (const id of [1, 2, 3]) expect(await sim.until(sim.cluster.call(id, 'echo', [id]))).toBe(id)
    expect(sim.cluster.workers.size).toBe(3)
  })

  test('stops, and leaves nothing', async () => {
    const sim = await simulateCluster({ methods })
    expect(await sim.until(sim.cluster.stop())).toEqual({ cut: 0, killed: 0 })
    expect(sim.processes).toEqual([])
    await sim.clock.run()
  })

  test('a worker that fails to start gets its restart, one that fails at boot ends the boot', async () => {
    const sim = await simulateCluster({ methods })
    sim.nextStart(2, { fail: true })
    sim.nextStart(2, { delay: 700 })
    sim.kill(2)
    await sim.clock.run()
    expect(await sim.until(sim.cluster.call(2, 'who', []))).toBe('2/4')
    const failed = simulateCluster({
      methods: () => {
        throw new Error('no database')
      },
    })
    expect((await rejection(BootError, failed)).message).toContain('no database')
  })

  test('a method that blocks its worker leaves the others alone', async () => {
    const sim = await simulateCluster({
      methods: (process: WorkerProcess) => ({ ...methods(process), busy: () => process.block(3_000) }),
    })
    const busy = sim.cluster.call(1, 'busy', [])
    expect(await sim.until(sim.cluster.call(2, 'who', []))).toBe('2/2')
    await sim.until(busy)
    expect(sim.clock.now).toBeGreaterThan(4_000)
  })
})

describe('whoever uses it', () => {
  test('finds these names', () => {
    expect(Object.keys(testing).sort()).toEqual(['SimulationError', 'simulateCluster'])
  })

  test('is told of an option that there is not', async () => {
    await rejection(UsageError, simulateCluster({ worker: 3 } as never))
    await rejection(UsageError, simulateCluster({ workers: 0 }))
    await rejection(UsageError, simulateCluster({ options: { timeouts: { call: -1 } } }))
    await rejection(UsageError, simulateCluster({ options: { workers: 3 } as never }))
    for (const seed of ['x', Number.NaN, 1.5]) await rejection(UsageError, simulateCluster({ seed: seed as number }))
  })

  test.each<[string, object]>([
    ['misspelt', { kil: 1 }],
    ['fewer than none', { kill: -1 }],
    ['no number', { kill: Number.NaN }],
    ['all at once', { every: 0, kill: 1 }],
    ['more than all', { kill: 1, dropTail: 2 }],
  ])('refuses faults that are %s', async (_, faults) => {
    await rejection(UsageError, simulateCluster({ faults }))
    const sim = await simulateCluster()
    thrown(UsageError, () => sim.startFaults(faults))
  })

  test('refuses what no process, time or promise can be, and goes on', async () => {
    const sim = await simulateCluster({ methods })
    for (const ms of [Number.NaN, -5, '10' as unknown as number]) {
      await rejection(UsageError, sim.clock.advance(ms))
      thrown(UsageError, () => sim.block('primary', ms))
      thrown(UsageError, () => sim.delay(1, ms))
      thrown(UsageError, () => sim.nextStart(1, { delay: ms }))
      await rejection(UsageError, sim.clock.run({ limit: ms }))
    }
    thrown(UsageError, () => sim.block('prim' as never, 5))
    thrown(UsageError, () => sim.nextStart(1, { foo: 1 } as never))
    thrown(UsageError, () => sim.kill(0))
    await rejection(UsageError, sim.until(5 as never))
    expect(sim.kill(99)).toBe(false)
    expect(await sim.until(sim.cluster.call(2, 'who', []))).toBe('2/2')
  })

  test('is told when time is moved twice at once', async () => {
    const sim = await simulateCluster()
    const first = sim.clock.advance(10)
    await rejection(SimulationError, sim.clock.advance(10))
    await first
  })

  test('is told what is pending when it does not come to rest, with the seed', async () => {
    const sim = await simulateCluster({ seed: 9, methods })
    const call = sim.cluster.call(1, 'slow', [4_000])
    const error = await rejection(SimulationError, sim.clock.run({ limit: 1_000 }))
    expect(error.message).toMatch(/worker 1\/1: a timer of 4000 ms/)
    expect(error.message).toContain('Seed 9')
    await sim.until(call)
  })

  test('is told when the cluster came to its end instead of healing', async () => {
    const sim = await simulateCluster({ workers: 1, methods, options: { restart: { max: 0 } } })
    sim.kill(1)
    expect((await rejection(SimulationError, sim.heal())).message).toContain('came to its end: failed')
  })
})
