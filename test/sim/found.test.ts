import { expect, test } from 'vitest'
import { CallTimeoutError } from '../../src/protocol/errors.js'
import { simulateCluster, type WorkerProcess } from '../../src/testing/index.js'
import { rejection } from '../support/outcome.js'

// What seeds have found, told as short stories: a seed changes its meaning whenever something else is drawn.

test('a caller that was frozen while its call left the waiting room does not say that it was never sent', async () => {
  const ran: string[] = []
  const sim = await simulateCluster({
    methods: (process: WorkerProcess) => ({
      async work() {
        ran.push(`${process.id}/${process.incarnation}`)
        await process.sleep(2_000)
      },
    }),
  })
  sim.nextStart(1, { delay: 200 })
  sim.kill(1)
  await sim.clock.advance(20)
  const failed = rejection(CallTimeoutError, sim.worker(2).call(1, 'work', [], { timeout: 500 }))
  await sim.clock.advance(20)
  sim.freeze(2)
  await sim.clock.advance(1_000)
  sim.thaw(2)
  await sim.clock.advance(1)
  expect(ran).toEqual(['1/3'])
  expect((await failed).sent).not.toBe('no')
})

test('a reader that was frozen while its stream left the waiting room does not say that it was never sent', async () => {
  let ran = 0
  const sim = await simulateCluster({
    methods: (process: WorkerProcess) => ({
      async *count() {
        ran++
        await process.sleep(2_000)
        yield 1
      },
    }),
  })
  sim.nextStart(1, { delay: 200 })
  sim.kill(1)
  await sim.clock.advance(20)
  const failed = rejection(CallTimeoutError, sim.worker(2).stream(1, 'count', [], { timeout: 500 }).next())
  await sim.clock.advance(20)
  sim.freeze(2)
  await sim.clock.advance(1_000)
  sim.thaw(2)
  await sim.clock.advance(1)
  expect(ran).toBe(1)
  expect((await failed).sent).not.toBe('no')
})
