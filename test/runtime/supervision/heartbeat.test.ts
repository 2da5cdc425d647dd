import { describe, expect, test } from 'vitest'
import type { Sighting } from '../../../src/runtime/evidence/sighting.js'
import type { FakeChild } from '../../support/fake-launcher.js'
import { superviseFakes, TIMEOUTS, told } from '../../support/supervise-fakes.js'

const HEALTH = { kind: 'health', lag: 3, rss: 1, heap: 1, requests: 0, debugged: false, inspectable: true } as const
const SEEN: Sighting = { activity: 'running', stack: '    at spin (file:///app.js:3:1)', reason: undefined }

/** A cluster that is up, whose workers give signs of life only as the test says. */
async function start(workers = 2, { looks = true, debugged = false } = {}) {
  const s = superviseFakes({ workers, timeouts: { ...TIMEOUTS, ready: 60_000, heartbeat: 2_000, blocked: 30_000 } })
  Object.assign(s.launcher, { isDebugged: () => debugged })
  const asked: boolean[] = []
  s.launcher.plan = (child) => {
    if (looks)
      Object.assign(child, {
        look: async (inspectable: boolean) => {
          asked.push(inspectable)
          return SEEN
        },
      })
    child.join()
  }
  await s.boot()
  /** Lets time pass, in which all others than these are heard. */
  const pass = async (ms: number, ...silent: number[]): Promise<void> => {
    for (let left = ms; left > 0; left -= 500) {
      await s.clock.advance(Math.min(500, left))
      for (const child of s.launcher.children) if (!silent.includes(child.ref.id)) child.say(HEALTH)
    }
  }
  const phases = () => s.unhealthy.map(({ phase, id }) => `${id} ${phase}`)
  return { ...s, pass, phases, asked }
}

describe('a worker that is not heard', () => {
  test('is out of rotation after `timeouts.heartbeat`, with what could be seen of it', async () => {
    const s = await start()
    await s.pass(500)
    await s.pass(2_000, 2)
    expect(s.states.get(2)).toBe('unhealthy')
    expect(s.states.get(1)).toBe('ready')
    expect(s.unhealthy).toEqual([
      { id: 2, incarnation: 2, pid: 1_002, phase: 'missed', silent: 2_000, lag: 3, inRotation: false, ...SEEN },
    ])
    expect(s.asked).toEqual([true])
    expect(s.logger.lines).toEqual([expect.stringMatching(/worker 2 .*2000 ms, running, blocked at\n.*app\.js:3:1/)])
    // Whatever the look has opened, it is to close.
    expect(s.child(2).received.at(-1)).toEqual({ kind: 'probe', closeInspector: true })
  })

  test('is told of once, however long it lasts', async () => {
    const s = await start()
    await s.pass(20_000, 2)
    expect(s.phases()).toEqual(['2 missed'])
    expect(told(s.child(2)).filter((kind) => kind === 'probe')).toHaveLength(1)
  })

  test('and is heard again is back', async () => {
    const s = await start()
    await s.pass(5_000, 2)
    s.child(2).say(HEALTH)
    await s.clock.settle()
    expect(s.states.get(2)).toBe('ready')
    expect(s.unhealthy.at(-1)).toMatchObject({ phase: 'back', id: 2, silent: 5_000, inRotation: true })
    await s.pass(5_000)
    expect(s.phases()).toEqual(['2 missed', '2 back'])
  })

  test('and speaks while it is looked at: the one is told before the other', async () => {
    const s = await start()
    let seen: (sighting: Sighting) => void = () => {}
    Object.assign(s.child(2), { look: () => new Promise<Sighting>((resolve) => (seen = resolve)) })
    await s.pass(2_000, 2)
    expect(s.phases()).toEqual([])
    expect(s.states.get(2)).toBe('unhealthy')
    s.child(2).say(HEALTH)
    await s.clock.settle()
    seen(SEEN)
    await s.clock.settle()
    expect(s.phases()).toEqual(['2 missed', '2 back'])
    expect(s.unhealthy[0]).toMatchObject({ stack: undefined, reason: 'it answered while it was looked at' })
    expect(s.states.get(2)).toBe('ready')
  })

  test('and cannot be looked at in time, or not at all, is told of without a stack', async () => {
    const s = await start()
    Object.assign(s.child(2), { look: () => new Promise(() => {}) })
    await s.pass(5_000, 2)
    expect(s.unhealthy).toMatchObject([{ stack: undefined, reason: 'it could not be looked at within 2500 ms' }])

    const blind = await start(2, { looks: false })
    await blind.pass(2_000, 2)
    expect(blind.unhealthy).toMatchObject([{ reason: 'this kind of process cannot be looked at' }])
  })

  test('keeps its place when it is the last one in rotation, until another serves', async () => {
    const s = await start()
    await s.pass(3_000, 1, 2)
    expect([...s.states.values()].sort()).toEqual(['ready', 'unhealthy'])
    expect(s.unhealthy.map(({ inRotation }) => inRotation).sort()).toEqual([false, true])
    const inPlace = s.states.get(1) === 'ready' ? 1 : 2
    s.child(3 - inPlace).say(HEALTH)
    await s.pass(500, inPlace)
    expect(s.states.get(inPlace)).toBe('unhealthy')
  })
})

describe('past the hard limit', () => {
  test('a worker is looked at again, killed, and replaced by the restart policy', async () => {
    const s = await start()
    await s.pass(30_500, 2)
    expect(s.phases()).toEqual(['2 missed', '2 killed'])
    expect(s.child(2).signals).toEqual(['SIGKILL'])
    expect(s.exits).toMatchObject([
      {
        id: 2,
        intended: false,
        outOfMemory: 'no',
        verdict: expect.stringMatching(/^has given no sign of life for 30000 ms.*blocked at\n.*app\.js/),
      },
    ])
    expect(s.log).toContain('restart {"id":2,"incarnation":2,"pid":1002,"attempt":1,"delay":0}')
    expect(s.states.get(2)).toBe('ready')
    expect(s.launcher.living).toEqual(['1/1', '2/3'])
  })

  test('a worker that speaks in the last moment lives', async () => {
    const s = await start()
    await s.pass(29_500, 2)
    let seen: (sighting: Sighting) => void = () => {}
    Object.assign(s.child(2), { look: () => new Promise<Sighting>((resolve) => (seen = resolve)) })
    await s.pass(1_000, 2)
    s.child(2).say(HEALTH)
    seen(SEEN)
    await s.pass(60_000)
    expect(s.child(2).signals).toEqual([])
    expect(s.phases()).toEqual(['2 missed', '2 back'])
  })

  test('two are never killed at once: the second waits until the first is replaced', async () => {
    const s = await start(3)
    const plan = s.launcher.plan
    let born: FakeChild | undefined
    s.launcher.plan = (child) => {
      born = child
    }
    await s.pass(40_000, 2, 3)
    const killed = s.phases().filter((line) => line.endsWith('killed'))
    expect(killed).toHaveLength(1)
    plan(born as FakeChild)
    await s.pass(1_000, 2, 3)
    expect(s.phases().filter((line) => line.endsWith('killed'))).toHaveLength(2)
  })
})

describe('nobody is blamed', () => {
  test('for what the primary has not heard because it stood still itself', async () => {
    const s = await start()
    await s.pass(1_500)
    // A process that was stopped: its timers are late, and what was sent meanwhile is read after them.
    s.clock.jump(60_000)
    await s.pass(10_000)
    expect(s.unhealthy).toEqual([])
    // From there on a whole interval is given.
    s.clock.jump(60_000)
    await s.pass(1_500, 2)
    expect(s.unhealthy).toEqual([])
    await s.pass(2_000, 2)
    expect(s.phases()).toEqual(['2 missed'])
  })

  test('while the primary is debugged', async () => {
    const s = await start(2, { debugged: true })
    await s.pass(60_000, 2)
    expect(s.unhealthy).toEqual([])
  })

  test('while it is debugged itself', async () => {
    const s = await start()
    s.child(2).say({ ...HEALTH, debugged: true })
    await s.pass(60_000, 2)
    expect(s.unhealthy).toEqual([])
    s.child(2).say(HEALTH)
    await s.pass(2_500, 2)
    expect(s.phases()).toEqual(['2 missed'])
  })

  test('before it is ready, or while it drains', async () => {
    const s = await start()
    s.launcher.plan = (child) => child.hello()
    await s.die(2)
    await s.pass(900, 2)
    s.child(1).obeys = false
    const stopped = s.supervisor.stop()
    await s.pass(3_000, 1, 2)
    expect(s.unhealthy).toEqual([])
    await stopped
  })
})

test('a cluster that has ended looks at nobody', async () => {
  const s = await start()
  await s.settled(s.supervisor.stop())
  expect(s.clock.armed).toBe(0)
})
