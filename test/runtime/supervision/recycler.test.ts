import { expect, test } from 'vitest'
import { ClusterClosedError } from '../../../src/protocol/errors.js'
import type { RecycleOptions } from '../../../src/runtime/supervision/recycle-policy.js'
import { rejection } from '../../support/outcome.js'
import { superviseFakes, TIMEOUTS } from '../../support/supervise-fakes.js'

const MEMORY = { rss: 100, heap: 50, requests: 0, debugged: false, inspectable: true, lag: 0 } as const

function start(recycle: Partial<RecycleOptions>) {
  const s = superviseFakes({ recycle: { jitter: 0.2, ...recycle }, timeouts: { ...TIMEOUTS, settle: 100 } })
  const beat = (incarnation: number, health: object = {}): void =>
    s.child(incarnation).say({ kind: 'health', ...MEMORY, ...health })
  return { ...s, beat }
}

test('a worker over a limit is replaced by a new process, which is ready before the old one drains', async () => {
  const s = start({ rss: 1_000 })
  await s.boot()
  s.story.length = 0
  s.beat(1, { rss: 999 })
  s.beat(2, { rss: 1_000 })
  await s.clock.advance(100)
  expect(s.launcher.living).toEqual(['1/1', '2/3'])
  expect(s.story).toEqual([
    '3 starting',
    '3 starting',
    '3 standby',
    '3 ready',
    '2 draining',
    'drain 2',
    '2 gone',
    '2 gone',
  ])
  expect(s.exits).toMatchObject([{ incarnation: 2, intended: true }])
  expect(s.log).toContain('recycle 2')
  expect(s.log.some((line) => line.startsWith('restart') || line.startsWith('reload'))).toBe(false)
})

test('several are replaced one after the other', async () => {
  const s = start({ rss: 1_000 })
  await s.boot()
  for (const incarnation of [1, 2]) for (let beat = 0; beat < 3; beat++) s.beat(incarnation, { rss: 2_000 })
  await s.clock.advance(99)
  expect(s.launcher.living).toEqual(['1/1', '2/2', '1/3'])
  await s.clock.advance(300)
  expect(s.launcher.living).toEqual(['1/3', '2/4'])
  expect(s.launcher.children).toHaveLength(4)
})

test('age counts from when it became ready, with a share of its own', async () => {
  const s = start({ age: 10_000 })
  await s.boot()
  s.beat(1)
  await s.clock.advance(8_999)
  s.beat(1)
  await s.clock.advance(1)
  expect(s.launcher.children).toHaveLength(2)
  s.beat(1) // 0.5 is every process's random number here.
  await s.clock.advance(100)
  expect(s.launcher.living).toEqual(['2/2', '1/3'])
})

test('requests and calls count together', async () => {
  const s = start({ requests: 10, jitter: 0 })
  await s.boot()
  for (let call = 0; call < 6; call++)
    s.links.get(1)?.send({ kind: 'invoke', method: 'm', from: { id: 0, incarnation: 0 }, payload: undefined })
  s.beat(1, { requests: 3 })
  await s.clock.advance(100)
  expect(s.launcher.children).toHaveLength(2)
  s.beat(1, { requests: 4 })
  await s.clock.advance(100)
  expect(s.launcher.living).toEqual(['2/2', '1/3'])
})

test('while the new process fails the old one serves on; it is tried again, but not at once', async () => {
  const s = start({ rss: 1_000 })
  await s.boot()
  s.launcher.plan = (child) => child.exit(1)
  s.beat(1, { rss: 2_000 })
  await s.clock.advance(1_000)
  s.beat(1, { rss: 2_000 })
  await s.clock.advance(1_000)
  expect(s.launcher.children).toHaveLength(3)
  expect(s.states.get(1)).toBe('ready')
  expect(s.logger.lines).toEqual([expect.stringContaining('could not be replaced')])
  await s.clock.advance(9_000)
  s.launcher.plan = (child) => child.join()
  s.beat(1, { rss: 2_000 })
  await s.clock.advance(100)
  expect(s.launcher.living).toEqual(['2/2', '1/4'])
})

test('does not count against the restart limit, and forgives nothing either', async () => {
  const s = start({ rss: 1_000 })
  await s.boot()
  const last = (): number => s.launcher.children.findLast(({ ref }) => ref.id === 1)?.ref.incarnation ?? 0
  const dieThrice = async (): Promise<void> => {
    for (let death = 0; death < 3; death++) {
      await s.die(last())
      await s.clock.advance(1_000)
    }
  }
  await dieThrice()
  for (let round = 0; round < 8; round++) {
    s.beat(last())
    s.beat(last(), { rss: 2_000 })
    await s.clock.advance(100)
  }
  expect(s.log.filter((line) => line.startsWith('recycle'))).toHaveLength(8)
  expect(s.states.get(1)).toBe('ready')
  await dieThrice()
  expect(s.states.get(1)).toBe('failed')
})

test('a stop in the middle of it ends it, without a word', async () => {
  const s = start({ rss: 1_000 })
  await s.boot()
  s.beat(1, { rss: 2_000 })
  await s.clock.advance(50)
  await s.settled(s.supervisor.stop())
  expect(s.launcher.living).toEqual([])
  expect(s.logger.lines).toEqual([])
  await rejection(ClusterClosedError, s.supervisor.reload())
})

test('of a worker that does not serve any more when its turn has come nothing comes', async () => {
  const s = start({ rss: 1_000 })
  await s.boot()
  const reload = s.supervisor.reload()
  s.beat(1, { rss: 2_000 })
  await s.clock.advance(500)
  await reload
  expect(s.launcher.living).toEqual(['1/3', '2/4'])
})

test('a process that begins where its predecessor was replaced is left alone, and the log says so', async () => {
  const s = start({ rss: 1e6, age: 60_000 })
  await s.boot()
  s.beat(1, { rss: 60e6 })
  await s.clock.advance(100)
  expect(s.launcher.living).toEqual(['2/2', '1/3'])
  for (let beat = 0; beat < 5; beat++) {
    s.beat(3, { rss: 60e6 })
    await s.clock.advance(200)
  }
  expect(s.launcher.children).toHaveLength(3)
  expect(s.logger.lines).toEqual([
    'warning: worker 1 has 60 MB when it has just been replaced for `recycle.rss`, which is 1 MB: another would have as much. It is left alone. Raise the limit',
  ])
  await s.clock.advance(60_000)
  s.beat(3, { rss: 60e6 })
  await s.clock.advance(100)
  expect(s.launcher.children).toHaveLength(4)
})
