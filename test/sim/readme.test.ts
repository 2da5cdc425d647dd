import assert from 'node:assert/strict'
import { expect, test } from 'vitest'
import { WorkerGoneError } from '../../src/protocol/errors.js'
import { simulateCluster } from '../../src/testing/index.js'

// The examples of src/testing/README.md, as they stand there.

test('the first example does what it says', async () => {
  const sim = await simulateCluster({
    workers: 3,
    seed: 42,
    methods: (process) => ({
      async resize(path: string) {
        await process.sleep(200)
        return `${path} by worker ${process.id}`
      },
    }),
  })
  const resized = sim.cluster.call(2, 'resize', ['a.png'])
  await sim.clock.advance(50)
  sim.kill(2)
  await assert.rejects(sim.until(resized), WorkerGoneError)
  await sim.clock.run()
  assert.equal(await sim.until(sim.cluster.call(2, 'resize', ['b.png'])), 'b.png by worker 2')
})

test('the second example repeats itself', async () => {
  const traces: string[] = []
  for (const seed of [1, 2, 1]) {
    const sim = await simulateCluster({
      seed,
      methods: { order: (n: number) => n },
      faults: { kill: 2, freeze: 1, block: 1, earlyCrash: 0.1 },
      options: { restart: { max: 1_000 } },
    })
    const orders = Promise.allSettled([1, 2, 3].map((n) => sim.cluster.call('any', 'order', [n])))
    await sim.clock.advance(5_000)
    await sim.heal()
    expect(await sim.until(orders)).toHaveLength(3)
    traces.push(sim.trace())
  }
  expect(traces[0]).toBe(traces[2])
  expect(traces[0]).not.toBe(traces[1])
})
