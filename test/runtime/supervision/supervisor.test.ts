import { beforeEach, describe, expect, test } from 'vitest'
import { BootError, ClusterClosedError } from '../../../src/protocol/errors.js'
import { PROTOCOL_VERSION } from '../../../src/protocol/frames.js'
import type { RestartOptions } from '../../../src/runtime/supervision/restart-policy.js'
import type { FakeChild } from '../../support/fake-launcher.js'
import { rejection, standing } from '../../support/outcome.js'
import { superviseFakes, TIMEOUTS, told } from '../../support/supervise-fakes.js'

let s: ReturnType<typeof superviseFakes>
beforeEach(() => {
  s = superviseFakes()
})

describe('the start', () => {
  test('launches every worker, and is done when all are ready', async () => {
    s.launcher.plan = () => {}
    const booted = s.supervisor.boot()
    await s.clock.settle()
    expect(s.launcher.living).toEqual(['1/1', '2/2'])
    s.child(1).join()
    expect(await standing(booted)).toBe('pending')
    s.child(2).join()
    expect(await standing(booted)).toBeUndefined()
    expect([...s.states]).toEqual([
      [1, 'ready'],
      [2, 'ready'],
    ])
  })

  test('leaves no timer that keeps the process alive when all are ready', async () => {
    await s.boot()
    expect(s.clock.holding).toBe(0)
  })

  test('reports what happens in order', async () => {
    s = superviseFakes({ workers: 1 })
    await s.boot()
    expect(s.log).toEqual(['fork 1', 'online 1', 'ready 1'])
  })

  test('answers a join with a welcome', async () => {
    await s.boot()
    expect(told(s.child(1))).toEqual(['welcome'])
  })

  test('fails when one worker fails: the others are ended, nothing is restarted', async () => {
    s.launcher.plan = (child) => {
      child.stderr = 'Error: no database\n'
      if (child.ref.id === 2) child.exit(1)
      else child.join()
    }
    const error = await rejection(BootError, s.settled(s.supervisor.boot()))
    expect(error.failures).toEqual([
      {
        id: 2,
        incarnation: 2,
        pid: 1_002,
        exitCode: 1,
        signal: null,
        reason: 'exited with code 1 before it was ready',
        output: 'Error: no database\n',
      },
    ])
    expect(s.launcher.living).toEqual([])
    expect(s.launcher.children).toHaveLength(2)
    expect(s.child(1).signals).toEqual(['SIGTERM'])
    expect(s.ends).toEqual([{ reason: 'failed', error }])
    expect(s.clock.holding).toBe(0)
  })

  test('fails when a worker that was ready dies before the others are', async () => {
    s.launcher.plan = (child) => {
      if (child.ref.id === 1) child.join()
    }
    const booted = s.supervisor.boot()
    booted.catch(() => {})
    await s.clock.settle()
    await s.die(1, 1)
    const error = await rejection(BootError, s.settled(booted))
    expect(error.failures).toMatchObject([{ id: 1, reason: 'exited with code 1' }])
    expect(s.launcher.living).toEqual([])
  })

  test('tells of all that failed in the same moment', async () => {
    s.launcher.plan = (child) => child.exit(child.ref.id)
    const error = await rejection(BootError, s.settled(s.supervisor.boot()))
    expect(error.failures.map(({ exitCode }) => exitCode)).toEqual([1, 2])
  })

  test('fails when a worker is not ready in time, and says what is missing', async () => {
    s.launcher.plan = (child) => {
      if (child.ref.id === 1) child.join()
      else child.hello()
    }
    const booted = s.supervisor.boot()
    const failed = rejection(BootError, booted)
    await s.clock.advance(999)
    expect(s.child(2).signals).toEqual([])
    await s.clock.advance(1)
    expect((await failed).failures[0]).toMatchObject({
      id: 2,
      signal: 'SIGKILL',
      reason: 'was not ready within 1000 ms (`timeouts.ready`): it has not called `joinCluster`',
    })
  })

  test('fails when a process cannot be started at all', async () => {
    s.launcher.refusal = new Error('EPERM: uid')
    const error = await rejection(BootError, s.settled(s.supervisor.boot()))
    expect(error.failures[0]).toMatchObject({ pid: undefined, reason: 'could not be started: EPERM: uid' })
    expect(s.clock.holding).toBe(0)
  })

  test('fails when a worker speaks another version of the protocol, and says so', async () => {
    s.launcher.plan = (child) => child.hello(PROTOCOL_VERSION + 1)
    const error = await rejection(BootError, s.settled(s.supervisor.boot()))
    expect(error.failures[0]?.reason).toBe(
      `speaks version ${PROTOCOL_VERSION + 1} of the protocol, and the primary version ${PROTOCOL_VERSION}: install one version of troupe for both`,
    )
  })

  test('takes a worker that it has given up for ready never, whatever still comes from it', async () => {
    s.launcher.plan = (child) => {
      if (child.ref.id === 2) return child.join()
      child.hello(PROTOCOL_VERSION + 1)
      child.say({ kind: 'join', methods: {} })
      child.say({ kind: 'ready', cause: 'join' })
    }
    await rejection(BootError, s.settled(s.supervisor.boot()))
    expect(s.log).not.toContain('ready 1')
  })

  test('a stop in the middle of it ends it', async () => {
    s.launcher.plan = () => {}
    const booted = s.supervisor.boot()
    const failed = rejection(ClusterClosedError, booted)
    await s.clock.settle()
    await s.settled(s.supervisor.stop())
    await failed
    expect(s.launcher.living).toEqual([])
    expect(s.ends).toEqual([{ reason: 'stopped' }])
  })
})

describe('ready', () => {
  test.each([
    ['join', (child: FakeChild) => child.join()],
    ['listen', (child: FakeChild) => child.listen(3_000)],
    ['online', (child: FakeChild) => child.hello()],
    ['manual', (child: FakeChild) => child.say({ kind: 'ready', cause: 'manual' })],
    ['auto', (child: FakeChild) => child.listen(3_000)],
    ['auto', (child: FakeChild) => child.join()],
  ] as const)('%s', async (ready, act) => {
    s = superviseFakes({ workers: 1, ready })
    s.launcher.plan = () => {}
    const booted = s.supervisor.boot()
    await s.clock.settle()
    expect(s.states.get(1)).toBe('starting')
    act(s.child(1))
    await booted
    expect(s.states.get(1)).toBe('ready')
  })

  test('a replacement must listen where its predecessor did', async () => {
    s = superviseFakes({ workers: 1 })
    await s.boot()
    s.child(1).listen(3_000, 3_001)
    await s.die(1)
    expect(s.states.get(1)).toBe('starting')
    s.child(2).listen(3_000)
    expect(s.states.get(1)).toBe('starting')
    s.child(2).listen(3_000, 3_001)
    expect(s.states.get(1)).toBe('ready')
  })

  test('a replacement need not listen where its predecessor did no more', async () => {
    s = superviseFakes({ workers: 1 })
    await s.boot()
    s.child(1).listen(3_000, 3_001)
    s.child(1).listen(3_000)
    await s.die(1)
    s.child(2).listen(3_000)
    expect(s.states.get(1)).toBe('ready')
  })

  test('in a reload, too, the new one must listen where the old one does', async () => {
    s = superviseFakes({ workers: 1 })
    await s.boot()
    s.child(1).listen(3_000)
    const reload = s.supervisor.reload()
    await s.clock.settle()
    expect(s.launcher.living).toEqual(['1/1', '1/2'])
    s.child(2).listen(3_000)
    await s.settled(reload)
    expect(s.launcher.living).toEqual(['1/2'])
  })
})

describe('a worker that dies', () => {
  test('is restarted at once, in a turn of its own', async () => {
    await s.boot()
    s.child(1).exit(1)
    expect(s.launcher.children).toHaveLength(2)
    await s.clock.settle()
    expect(s.launcher.living).toEqual(['2/2', '1/3'])
    expect(s.states.get(1)).toBe('ready')
    expect(s.log.filter((line) => line.includes('1') || line.includes('3')).slice(-7)).toEqual([
      'disconnect 1',
      'gone 1',
      'exit 1',
      'restart {"id":1,"incarnation":1,"pid":1001,"attempt":1,"delay":0}',
      'fork 3',
      'online 3',
      'ready 3',
    ])
  })

  test('again is restarted after a pause that grows', async () => {
    s = superviseFakes({ workers: 1 })
    await s.boot()
    await s.die(1)
    await s.die(2)
    expect(s.states.get(1)).toBe('starting')
    await s.clock.advance(99)
    expect(s.launcher.living).toEqual([])
    await s.clock.advance(1)
    expect(s.launcher.living).toEqual(['1/3'])
    await s.die(3)
    await s.clock.advance(199)
    expect(s.launcher.living).toEqual([])
    await s.clock.advance(1)
    expect(s.launcher.living).toEqual(['1/4'])
  })

  test('after a quiet window is restarted at once again', async () => {
    s = superviseFakes({ workers: 1 })
    await s.boot()
    await s.die(1)
    await s.clock.advance(30_000)
    await s.die(2)
    expect(s.launcher.living).toEqual(['1/3'])
  })

  test('before it is ready is restarted in the same way', async () => {
    s = superviseFakes({ workers: 1 })
    await s.boot()
    s.launcher.plan = () => {}
    await s.die(1)
    await s.die(2)
    expect(s.states.get(1)).toBe('starting')
    await s.clock.advance(100)
    expect(s.launcher.living).toEqual(['1/3'])
  })

  test('is told once, although its channel closes first', async () => {
    await s.boot()
    s.child(1).events.disconnected()
    expect(s.states.get(1)).toBe('starting')
    s.child(1).exit(0)
    await s.clock.settle()
    expect(s.log.filter((line) => line === 'gone 1')).toHaveLength(1)
  })

  test('whose channel closed and who does not exit gets SIGKILL after 50 ms', async () => {
    await s.boot()
    s.child(1).events.disconnected()
    await s.clock.advance(49)
    expect(s.child(1).signals).toEqual([])
    await s.clock.advance(1)
    expect(s.child(1).signals).toEqual(['SIGKILL'])
  })

  test('that is not ready in time is killed, and restarted', async () => {
    s = superviseFakes({ workers: 1 })
    await s.boot()
    s.launcher.plan = () => {}
    await s.die(1)
    s.launcher.plan = (child) => child.join()
    await s.clock.advance(1_000)
    expect(s.child(2).signals).toEqual(['SIGKILL'])
    await s.clock.advance(100)
    expect(s.launcher.living).toEqual(['1/3'])
    expect(s.states.get(1)).toBe('ready')
  })
})

describe('the restart limit', () => {
  /** Worker 1 dies at once whenever it is started, worker 2 serves on. */
  async function crashLoop(restart: Partial<RestartOptions> = {}) {
    s = superviseFakes({ restart })
    await s.boot()
    s.launcher.plan = (child) => (child.ref.id === 1 ? child.exit(9) : child.join())
    s.child(1).exit(9)
    await s.clock.advance(5_000)
  }

  test('leaves the slot failed, and says so, while others serve', async () => {
    await crashLoop()
    expect(s.states.get(1)).toBe('failed')
    expect(s.states.get(2)).toBe('ready')
    expect(s.log.filter((line) => line.startsWith('failed'))).toHaveLength(1)
    expect(s.ends).toEqual([])
    expect(s.launcher.children.filter(({ ref }) => ref.id === 1)).toHaveLength(6)
  })

  test('tries a failed slot again at the slowest pace, and no faster, for ever', async () => {
    await crashLoop()
    const starts = (): number => s.launcher.children.filter(({ ref }) => ref.id === 1).length
    const before = starts()
    await s.clock.advance(100_000)
    expect(starts() - before).toBe(10)
    expect(s.states.get(1)).toBe('failed')
  })

  test('a failed slot that becomes ready is ready', async () => {
    await crashLoop()
    s.launcher.plan = (child) => child.join()
    await s.clock.advance(10_000)
    expect(s.states.get(1)).toBe('ready')
    expect(s.clock.holding).toBe(0)
  })

  test('stays failed for others while it is tried', async () => {
    await crashLoop()
    s.launcher.plan = () => {}
    await s.clock.advance(7_000)
    expect(s.launcher.living).toHaveLength(2)
    expect(s.states.get(1)).toBe('failed')
  })

  test("with 'stop' ends the cluster, with the last error", async () => {
    await crashLoop({ onLimit: 'stop' })
    expect(s.launcher.living).toEqual([])
    const [end] = s.ends
    expect(end).toMatchObject({ reason: 'failed', error: { code: 'ERR_BOOT' } })
    expect(end?.reason === 'failed' && end.error.message).toContain(
      'Worker 1 exited with code 9 before it was ready, after 5 restarts within 30000 ms',
    )
  })

  test('reached by every slot ends the cluster in either case', async () => {
    s = superviseFakes({ restart: { max: 1 } })
    await s.boot()
    s.launcher.plan = (child) => child.exit(1)
    s.child(1).exit(1)
    s.child(2).exit(1)
    await s.clock.advance(1_000)
    expect(s.ends).toMatchObject([{ reason: 'failed' }])
    await s.clock.advance(100_000)
    expect(s.launcher.children).toHaveLength(4)
  })
})

describe('the restart policy', () => {
  test('transient: a worker that ends with 0 stays ended, one that ends otherwise is restarted', async () => {
    s = superviseFakes({ restart: { policy: 'transient' } })
    await s.boot()
    await s.die(1, 0)
    await s.die(2, 1)
    expect(s.states.get(1)).toBe('stopped')
    expect(s.launcher.living).toEqual(['2/3'])
    expect(s.ends).toEqual([])
  })

  test('temporary: no worker is restarted, and when all have ended so has the cluster', async () => {
    s = superviseFakes({ restart: { policy: 'temporary' } })
    await s.boot()
    await s.die(1, 1)
    expect(s.ends).toEqual([])
    await s.die(2, null, 'SIGSEGV')
    expect(s.ends).toEqual([{ reason: 'finished' }])
    expect(s.clock.holding).toBe(0)
  })
})

describe('a scale', () => {
  test('up starts the ids that are missing, and is done when they are ready', async () => {
    await s.boot()
    s.launcher.plan = () => {}
    const scaled = s.supervisor.scale(4)
    await s.clock.settle()
    expect(s.launcher.living).toEqual(['1/1', '2/2', '3/3', '4/4'])
    s.child(3).join()
    expect(await standing(scaled)).toBe('pending')
    s.child(4).join()
    await s.settled(scaled)
    expect([...s.states.keys()]).toEqual([1, 2, 3, 4])
  })

  test('down drains the highest ids, and removes them', async () => {
    s = superviseFakes({ workers: 3 })
    await s.boot()
    await s.settled(s.supervisor.scale(1))
    expect(s.launcher.living).toEqual(['1/1'])
    expect([...s.states.keys()]).toEqual([1])
    expect(told(s.child(3))).toEqual(['welcome', 'drain', 'release'])
    expect(s.log.some((line) => line.startsWith('restart'))).toBe(false)
  })

  test('to the same number does nothing', async () => {
    await s.boot()
    await s.settled(s.supervisor.scale(2))
    expect(s.launcher.children).toHaveLength(2)
  })

  test('whose new worker fails takes the new ones away again', async () => {
    await s.boot()
    s.launcher.plan = (child) => (child.ref.id === 4 ? child.exit(1) : child.join())
    const error = await rejection(BootError, s.settled(s.supervisor.scale(4)))
    expect(error.failures.map(({ id }) => id)).toEqual([4])
    expect(s.launcher.living).toEqual(['1/1', '2/2'])
    expect([...s.states.keys()]).toEqual([1, 2])
    expect(s.log.some((line) => line.startsWith('restart'))).toBe(false)
    expect(s.clock.holding).toBe(0)
  })

  test('down takes a slot with it that pauses before a restart', async () => {
    await s.boot()
    await s.die(2)
    await s.die(3)
    expect(s.states.get(2)).toBe('starting')
    await s.settled(s.supervisor.scale(1))
    await s.clock.advance(10_000)
    expect(s.launcher.living).toEqual(['1/1'])
    expect([...s.states.keys()]).toEqual([1])
  })

  test('and a reload take turns', async () => {
    await s.boot()
    s.launcher.plan = () => {}
    const reload = s.supervisor.reload()
    const scaled = s.supervisor.scale(3)
    await s.clock.settle()
    expect(s.launcher.living).toEqual(['1/1', '2/2', '1/3', '2/4'])
    s.launcher.plan = (child) => child.join()
    s.child(3).join()
    s.child(4).join()
    await s.settled(reload)
    await s.settled(scaled)
    expect([...s.states.keys()].sort()).toEqual([1, 2, 3])
  })
})

describe('a stop', () => {
  test('drains the connections of all, then their calls, then ends them', async () => {
    await s.boot()
    for (const child of s.launcher.children) child.obeys = false
    const stopped = s.supervisor.stop()
    await s.clock.settle()
    expect([told(s.child(1)), told(s.child(2))]).toEqual([
      ['welcome', 'drain'],
      ['welcome', 'drain'],
    ])
    expect([...s.states.values()]).toEqual(['draining', 'draining'])

    s.child(1).say({ kind: 'drained', cut: 0 })
    await s.clock.settle()
    expect(s.log).not.toContain('calls close all')
    s.work(2, true)
    s.child(2).say({ kind: 'drained', cut: 3 })
    await s.clock.settle()
    expect(s.log).toContain('calls close all')
    expect(told(s.child(1))).not.toContain('release')

    s.work(2, false)
    await s.clock.settle()
    expect(told(s.child(1)).at(-1)).toBe('release')
    expect(s.child(1).signals).toEqual([])
    s.child(1).say({ kind: 'released' })
    s.child(2).say({ kind: 'released' })
    await s.clock.settle()
    expect([s.child(1).signals, s.child(2).signals]).toEqual([['SIGTERM'], ['SIGTERM']])

    s.child(1).exit(0)
    s.child(2).exit(0)
    expect(await s.settled(stopped)).toEqual({ cut: 3, killed: 0 })
    expect(s.ends).toEqual([{ reason: 'stopped' }])
    expect(s.clock.holding).toBe(0)
  })

  test('closes at once what is open; a scaling down leaves it its time, since the cluster serves on', async () => {
    await s.boot()
    await s.settled(s.supervisor.scale(1))
    expect(s.child(2).received).toContainEqual({ kind: 'drain', mode: 'reload', deadline: TIMEOUTS.drain })
    await s.settled(s.supervisor.stop())
    expect(s.child(1).received).toContainEqual({ kind: 'drain', mode: 'stop', deadline: TIMEOUTS.drain })
  })

  test('waits for nobody longer than the limits, kills who does not end, and says so', async () => {
    s = superviseFakes({ workers: 1 })
    await s.boot()
    s.child(1).obeys = false
    s.work(1, true)
    const stopped = s.supervisor.stop()
    await s.clock.advance(TIMEOUTS.drain + 250)
    expect(s.log).toContain('calls close all')
    await s.clock.advance(TIMEOUTS.drain + 250)
    expect(s.child(1).signals).toEqual(['SIGTERM'])
    await s.clock.advance(TIMEOUTS.kill)
    expect(s.child(1).signals).toEqual(['SIGTERM', 'SIGKILL'])
    expect(await s.settled(stopped)).toEqual({ cut: 0, killed: 1 })
  })

  test('is one for everybody who asks', async () => {
    await s.boot()
    const first = s.supervisor.stop()
    expect(s.supervisor.stop({ reason: 'signal', signal: 'SIGTERM' })).toBe(first)
    await s.settled(first)
    expect(s.ends).toEqual([{ reason: 'stopped' }])
  })

  test('restarts nobody who dies meanwhile, and waits for no restart', async () => {
    await s.boot()
    await s.die(2)
    await s.die(3)
    expect(s.states.get(2)).toBe('starting')
    await s.settled(s.supervisor.stop())
    await s.clock.advance(100_000)
    expect(s.launcher.children).toHaveLength(3)
    expect(s.launcher.living).toEqual([])
  })

  test('does not wait for the drain of a worker that dies in it', async () => {
    await s.boot()
    s.child(1).obeys = false
    const stopped = s.supervisor.stop()
    await s.clock.settle()
    await s.die(1, null, 'SIGSEGV')
    expect(await s.settled(stopped)).toEqual({ cut: 0, killed: 0 })
  })

  test('asks a process that never greeted for nothing, and ends it', async () => {
    s.launcher.plan = (child) => {
      if (child.ref.id === 1) child.join()
    }
    const booted = rejection(ClusterClosedError, s.supervisor.boot())
    await s.clock.settle()
    await s.settled(s.supervisor.stop())
    await booted
    expect(told(s.child(2))).toEqual([])
    expect(s.child(2).signals).toContain('SIGTERM')
  })

  test('reports the end last, when every process has been reported', async () => {
    s = superviseFakes({ workers: 1 })
    await s.boot()
    await s.settled(s.supervisor.stop())
    expect(s.log.slice(-3)).toEqual(['gone 1', 'exit 1', 'ended stopped'])
  })
})

describe('a kill', () => {
  test('ends everybody at once, drained or not', async () => {
    await s.boot()
    await s.settled(s.supervisor.kill())
    expect(s.child(1).signals).toEqual(['SIGKILL'])
    expect(told(s.child(1))).toEqual(['welcome'])
    expect(s.launcher.living).toEqual([])
    expect(s.ends).toEqual([{ reason: 'stopped' }])
  })

  test('in the middle of a stop ends that, once', async () => {
    await s.boot()
    for (const child of s.launcher.children) child.obeys = false
    const stopped = s.supervisor.stop({ reason: 'signal', signal: 'SIGINT' })
    await s.clock.settle()
    await s.settled(s.supervisor.kill({ reason: 'signal', signal: 'SIGINT' }))
    await s.settled(stopped)
    expect(s.ends).toEqual([{ reason: 'signal', signal: 'SIGINT' }])
    expect(s.launcher.children).toHaveLength(2)
  })

  test('of a cluster whose worker pauses before a restart leaves no timer', async () => {
    await s.boot()
    await s.die(1)
    await s.die(3)
    await s.settled(s.supervisor.kill())
    expect(s.clock.holding).toBe(0)
    await s.clock.advance(100_000)
    expect(s.launcher.children).toHaveLength(3)
  })
})

test('a frame from a process that is gone changes nothing', async () => {
  await s.boot()
  const { ref } = s.child(1)
  await s.die(1)
  s.supervisor.receive(ref, { kind: 'ready', cause: 'join' })
  s.supervisor.receive({ id: 9, incarnation: 99 }, { kind: 'join', methods: {} })
  expect(s.states.get(1)).toBe('ready')
  expect(s.states.has(9)).toBe(false)
})
