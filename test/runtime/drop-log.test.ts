import { expect, test } from 'vitest'
import { DropLog } from '../../src/runtime/drop-log.js'
import { FakeClock } from '../support/fake-clock.js'
import { FakeLogger } from '../support/fake-logger.js'

function open() {
  const clock = new FakeClock()
  const logger = new FakeLogger()
  return { clock, logger, drops: new DropLog(logger, clock) }
}

test('the first loss is said at once', () => {
  const { drops, logger } = open()
  drops.add('cast', 'lost one')
  expect(logger.lines).toEqual(['warning: lost one'])
})

test('a storm is two lines a second, the second with how many more', async () => {
  const { drops, logger, clock } = open()
  for (let index = 0; index < 1_000; index++) drops.add('cast', `lost ${index}`)
  await clock.advance(1_000)
  expect(logger.lines).toEqual(['warning: lost 0', 'warning: lost 999 (and 998 more like it)'])
  expect(drops.total).toBe(1_000)
})

test('one kind does not silence another', () => {
  const { drops, logger } = open()
  drops.add('cast', 'a')
  drops.add('message', 'b')
  expect(logger.lines).toEqual(['warning: a', 'warning: b'])
})

test('a lone loss is said once, and the next after a while at once again', async () => {
  const { drops, logger, clock } = open()
  drops.add('cast', 'a')
  await clock.advance(1_000)
  drops.add('cast', 'b')
  await clock.advance(1_000)
  expect(logger.lines).toEqual(['warning: a', 'warning: b'])
  expect(clock.armed).toBe(0)
})
