import { beforeEach, describe, expect, test } from 'vitest'
import { ClusterClosedError, ReloadError } from '../../../src/protocol/errors.js'
import { mergePlans } from '../../../src/runtime/supervision/reload.js'
import { rejection, standing } from '../../support/outcome.js'
import { superviseFakes, TIMEOUTS, told } from '../../support/supervise-fakes.js'

const SETTLE = 2_000

let s: ReturnType<typeof superviseFakes>
beforeEach(() => {
  s = superviseFakes()
})

/** What each process that is alive may be given, as "id/incarnation: phase". */
const phases = (): string[] =>
  s.launcher.living.map((name) => {
    const incarnation = name.split('/')[1]
    return `${name} ${s.story.findLast((line) => line.startsWith(`${incarnation} `))?.split(' ')[1]}`
  })

describe('the new workers', () => {
  beforeEach(async () => {
    s = superviseFakes({ workers: 5 })
    await s.boot()
    s.launcher.plan = () => {}
  })

  test('start two at a time, and each makes room for the next when it is ready', async () => {
    void s.supervisor.reload()
    await s.clock.settle()
    expect(s.launcher.living.slice(5)).toEqual(['1/6', '2/7'])
    s.child(7).join()
    await s.clock.settle()
    expect(s.launcher.living.slice(5)).toEqual(['1/6', '2/7', '3/8'])
    s.child(6).join()
    s.child(8).join()
    await s.clock.settle()
    expect(s.launcher.living.slice(5)).toEqual(['1/6', '2/7', '3/8', '4/9', '5/10'])
  })

  test.each([
    [1, 1],
    [4, 4],
    [1_000_000, 5],
  ])('start %i at a time on request', async (concurrency, started) => {
    void s.supervisor.reload({ concurrency })
    await s.clock.settle()
    expect(s.launcher.living.slice(5)).toHaveLength(started)
  })
})

describe('until all are ready', () => {
  test('the new ones stand by, and the old ones serve', async () => {
    await s.boot()
    s.launcher.plan = () => {}
    const reload = s.supervisor.reload()
    await s.clock.settle()
    s.child(3).join()
    await s.clock.settle()
    expect(phases()).toEqual(['1/1 ready', '2/2 ready', '1/3 standby', '2/4 starting'])
    expect(s.log).not.toContain('ready 3')
    expect([...s.states.values()]).toEqual(['ready', 'ready'])
    s.child(4).join()
    expect(await s.settled(reload)).toEqual({ replaced: [1, 2], cut: 0, killed: 0 })
    expect(phases()).toEqual(['1/3 ready', '2/4 ready'])
  })

  test('each must listen where its predecessor does', async () => {
    s = superviseFakes({ workers: 1 })
    await s.boot()
    s.child(1).listen(3_000)
    const reload = s.supervisor.reload()
    await s.clock.settle()
    expect(phases()).toEqual(['1/1 ready', '1/2 starting'])
    s.child(2).listen(3_000)
    await s.settled(reload)
    expect(phases()).toEqual(['1/2 ready'])
  })
})

describe('settling', () => {
  beforeEach(async () => {
    s = superviseFakes({ timeouts: { ...TIMEOUTS, ready: 60_000, settle: SETTLE } })
    await s.boot()
    s.launcher.plan = () => {}
  })

  test('begins when the last one is ready', async () => {
    const reload = s.supervisor.reload()
    await s.clock.settle()
    s.child(3).join()
    await s.clock.advance(10 * SETTLE)
    s.child(4).join()
    await s.clock.advance(SETTLE - 1)
    expect(phases()).toEqual(['1/1 ready', '2/2 ready', '1/3 standby', '2/4 standby'])
    await s.clock.advance(1)
    expect(await standing(reload)).toEqual({ replaced: [1, 2], cut: 0, killed: 0 })
    expect(s.clock.holding).toBe(0)
  })

  test('takes as long as the reload itself says', async () => {
    s.launcher.plan = (child) => child.join()
    await s.settled(s.supervisor.reload({ settle: 0 }))
    const longer = s.supervisor.reload({ settle: SETTLE + 1_000 })
    await s.clock.advance(SETTLE + 999)
    expect(await standing(longer)).toBe('pending')
    await s.clock.advance(1)
    await s.settled(longer)
  })

  test('is not survived by one that dies in it: nothing is replaced, and the error says which and why', async () => {
    const failed = rejection(ReloadError, s.supervisor.reload())
    await s.clock.settle()
    s.child(3).join()
    s.child(4).join()
    await s.clock.advance(SETTLE - 1)
    s.child(4).stderr = 'lost the database\n'
    await s.die(4, 7)
    const error = await failed
    expect(error.failures).toMatchObject([
      {
        id: 2,
        incarnation: 4,
        exitCode: 7,
        reason: 'exited with code 7 after it was ready, before it took over',
        output: 'lost the database\n',
      },
    ])
    expect(error.message).toBe(
      'The reload was given up, and the old workers serve on. Worker 2 exited with code 7 after it was ready, before it took over. Its last output:\n  lost the database',
    )
    expect(phases()).toEqual(['1/1 ready', '2/2 ready'])
    expect(s.clock.holding).toBe(0)
  })

  test('is not survived by one whose channel has closed, though its exit comes later', async () => {
    const failed = rejection(ReloadError, s.supervisor.reload())
    await s.clock.settle()
    s.child(3).join()
    s.child(4).join()
    await s.clock.advance(SETTLE - 10)
    s.child(3).events.disconnected()
    await s.clock.advance(10)
    expect(phases().slice(0, 2)).toEqual(['1/1 ready', '2/2 ready'])
    await s.clock.advance(100)
    expect((await failed).failures).toMatchObject([{ id: 1, signal: 'SIGKILL' }])
    expect(phases()).toEqual(['1/1 ready', '2/2 ready'])
  })

  test('is not begun when one that was ready dies while others start', async () => {
    const failed = rejection(ReloadError, s.supervisor.reload())
    await s.clock.settle()
    s.child(3).join()
    await s.die(3, 1)
    expect((await failed).failures).toMatchObject([{ id: 1 }])
    expect(s.launcher.living).toEqual(['1/1', '2/2'])
  })
})

describe('taking over', () => {
  test('is one step: all new ones are reported ready, then all old ones draining, and only then do those drain', async () => {
    await s.boot()
    s.story.length = 0
    await s.settled(s.supervisor.reload())
    const step = s.story.indexOf('3 ready')
    expect(s.story.slice(step, step + 6)).toEqual([
      '3 ready',
      '4 ready',
      '1 draining',
      '2 draining',
      'drain 1',
      'drain 2',
    ])
  })

  test('has happened for every id when the first is told', async () => {
    await s.boot()
    const seen: unknown[] = []
    s.hooks.member = (processes) => {
      if (s.story.at(-1) === '3 ready') seen.push(processes.map(({ phase }) => phase))
    }
    await s.settled(s.supervisor.reload())
    expect(seen[0]).toEqual(['draining', 'draining', 'ready', 'ready'])
  })

  test('asks the old ones for a gentle drain, all together, and counts as no restart', async () => {
    await s.boot()
    await s.settled(s.supervisor.reload())
    for (const incarnation of [1, 2])
      expect(s.child(incarnation).received).toContainEqual({ kind: 'drain', mode: 'reload', deadline: TIMEOUTS.drain })
    expect(s.log.some((line) => line.startsWith('restart'))).toBe(false)
    expect(s.log).not.toContain('calls close all')
    expect(s.clock.holding).toBe(0)
  })

  test('waits for the calls of the old ones, and then has them end', async () => {
    await s.boot()
    s.work(1, true)
    const reload = s.supervisor.reload()
    await s.clock.settle()
    expect(told(s.child(1))).toEqual(['welcome', 'drain'])
    s.work(1, false)
    await s.settled(reload)
    expect(told(s.child(1))).toEqual(['welcome', 'drain', 'release'])
  })

  test('cuts and kills what does not drain by the deadline, and says how much', async () => {
    await s.boot()
    s.child(1).obeys = false
    s.child(2).obeys = false
    const reload = s.supervisor.reload()
    await s.clock.settle()
    s.child(2).say({ kind: 'drained', cut: 3 })
    await s.clock.advance(2 * (TIMEOUTS.drain + 250) + TIMEOUTS.kill)
    expect(await standing(reload)).toEqual({ replaced: [1, 2], cut: 3, killed: 2 })
    expect(s.launcher.living).toEqual(['1/3', '2/4'])
  })

  test('is told as it goes', async () => {
    await s.boot()
    s.log.length = 0
    await s.settled(s.supervisor.reload())
    expect(s.reloads).toEqual([{ phase: 'started' }, { phase: 'finished', replaced: [1, 2], cut: 0, killed: 0 }])
    expect(s.log.filter((line) => /^(reload|ready|exit)/.test(line))).toEqual([
      'reload started',
      'ready 3',
      'ready 4',
      'exit 1',
      'exit 2',
      'reload finished',
    ])
  })
})

describe('a new worker that fails', () => {
  test('at boot leaves everything as it was, and the error says which and why', async () => {
    await s.boot()
    s.launcher.plan = (child) => {
      if (child.ref.id === 1) return child.join()
      child.stderr = 'SyntaxError\n'
      child.exit(1)
    }
    const before = { phases: phases(), states: [...s.states] }
    const error = await rejection(ReloadError, s.settled(s.supervisor.reload()))
    expect(error.failures).toMatchObject([{ id: 2, incarnation: 4, output: 'SyntaxError\n' }])
    expect({ phases: phases(), states: [...s.states] }).toEqual(before)
    expect(told(s.child(1))).toEqual(['welcome'])
    expect(s.log.some((line) => /^(restart|failed|ready [34])/.test(line))).toBe(false)
    expect(s.reloads).toEqual([
      { phase: 'started' },
      { phase: 'failed', reason: error.message, failures: error.failures },
    ])
    expect(s.clock.holding).toBe(0)
  })

  test('keeps those from being started whose turn has not come', async () => {
    s = superviseFakes({ workers: 4 })
    await s.boot()
    s.launcher.plan = (child) => child.exit(1)
    await rejection(ReloadError, s.settled(s.supervisor.reload({ concurrency: 1 })))
    expect(s.launcher.children).toHaveLength(5)
  })

  test('has the others stopped in order, also those in the middle of their start', async () => {
    s = superviseFakes({ workers: 3 })
    await s.boot()
    s.launcher.plan = (child) => {
      if (child.ref.id === 1) child.join()
      if (child.ref.id === 3) child.exit(1)
    }
    await rejection(ReloadError, s.settled(s.supervisor.reload({ concurrency: 3 })))
    expect(told(s.child(4))).toEqual(['welcome', 'drain', 'release'])
    expect([s.child(4).signals, s.child(5).signals]).toEqual([['SIGTERM'], ['SIGTERM']])
    expect(phases()).toEqual(['1/1 ready', '2/2 ready', '3/3 ready'])
  })

  test('is told of along with others that fail in the same moment', async () => {
    await s.boot()
    s.launcher.plan = (child) => child.exit(child.ref.id)
    const error = await rejection(ReloadError, s.settled(s.supervisor.reload()))
    expect(error.failures.map(({ id, exitCode }) => [id, exitCode])).toEqual([
      [1, 1],
      [2, 2],
    ])
  })

  test('by never getting ready is killed, and what it lacks is said of each', async () => {
    await s.boot()
    s.launcher.plan = (child) => {
      child.kill = (signal) => void child.signals.push(signal)
      child.hello()
    }
    const failed = rejection(ReloadError, s.supervisor.reload())
    await s.clock.advance(TIMEOUTS.ready)
    expect([s.child(3).signals, s.child(4).signals]).toEqual([['SIGKILL'], ['SIGKILL']])
    await s.die(3, null, 'SIGKILL')
    await s.die(4, null, 'SIGKILL')
    expect((await failed).failures.map(({ id, reason }) => [id, reason])).toEqual(
      [1, 2].map((id) => [id, 'was not ready within 1000 ms (`timeouts.ready`): it has not called `joinCluster`']),
    )
    expect(phases()).toEqual(['1/1 ready', '2/2 ready'])
    expect(s.clock.holding).toBe(0)
  })

  test('before there is a process is a failure like any other', async () => {
    await s.boot()
    s.launcher.refusal = new Error('EPERM: uid')
    const error = await rejection(ReloadError, s.settled(s.supervisor.reload()))
    expect(error.failures[0]).toMatchObject({ id: 1, reason: 'could not be started: EPERM: uid' })
    expect(phases()).toEqual(['1/1 ready', '2/2 ready'])
  })

  test('does not keep a later reload from success', async () => {
    await s.boot()
    s.launcher.plan = (child) => child.exit(1)
    await rejection(ReloadError, s.settled(s.supervisor.reload()))
    s.launcher.plan = (child) => child.join()
    await s.settled(s.supervisor.reload())
    expect(phases()).toEqual(['1/5 ready', '2/6 ready'])
  })
})

describe('an old worker that dies meanwhile', () => {
  beforeEach(async () => {
    s = superviseFakes({ workers: 1, timeouts: { ...TIMEOUTS, settle: SETTLE } })
    await s.boot()
  })

  test('is restarted as always, serves, and is displaced like the one it was', async () => {
    const reload = s.supervisor.reload()
    await s.clock.settle()
    await s.die(1)
    expect(phases()).toEqual(['1/2 standby', '1/3 ready'])
    expect(s.log.filter((line) => line.startsWith('restart'))).toHaveLength(1)
    await s.clock.advance(SETTLE)
    expect(await standing(reload)).toEqual({ replaced: [1], cut: 0, killed: 0 })
    expect(phases()).toEqual(['1/2 ready'])
    expect(s.child(3).received).toContainEqual(expect.objectContaining({ kind: 'drain', mode: 'reload' }))
    expect(s.clock.holding).toBe(0)
  })

  test('and is not ready again by then is ended in the middle of its start', async () => {
    const reload = s.supervisor.reload()
    await s.clock.settle()
    s.launcher.plan = () => {}
    await s.die(1)
    expect(phases()).toEqual(['1/2 standby', '1/3 starting'])
    await s.clock.advance(SETTLE)
    await s.settled(reload)
    s.child(3).join()
    expect(phases()).toEqual(['1/2 ready'])
  })

  test('and pauses before its restart is not started again once the new one serves', async () => {
    const reload = s.supervisor.reload({ settle: 50 })
    await s.clock.settle()
    await s.die(1)
    await s.die(3)
    expect(phases()).toEqual(['1/2 standby'])
    await s.clock.advance(50)
    await s.settled(reload)
    expect(s.clock.holding).toBe(0)
    await s.clock.advance(100_000)
    expect(s.launcher.children).toHaveLength(3)
  })

  test('serves on in its new process when the reload fails', async () => {
    const failed = rejection(ReloadError, s.supervisor.reload())
    await s.clock.settle()
    await s.die(1)
    await s.die(2, 1)
    await failed
    expect(phases()).toEqual(['1/3 ready'])
  })

  test('says in its exit event that nobody had asked it to, also in the moment of the take-over', async () => {
    s.launcher.plan = () => {}
    const reload = s.supervisor.reload({ settle: 0 })
    await s.clock.settle()
    // Its last words are still being read when the new one takes over.
    s.child(1).outputRead = () => new Promise((resolve) => s.clock.after(50, resolve))
    s.child(1).exit(1)
    s.child(2).join()
    await s.clock.advance(50)
    await s.settled(reload)
    expect(s.exits).toMatchObject([{ incarnation: 1, intended: false }])
  })
})

describe('a slot that has no worker when the reload starts', () => {
  /** Worker 1 has died twice, and is due again in 100 ms. */
  async function pausing() {
    await s.boot()
    await s.die(1)
    await s.die(3)
    expect(s.states.get(1)).toBe('starting')
  }

  test('and pauses before a restart is filled by the reload', async () => {
    await pausing()
    await s.settled(s.supervisor.reload())
    expect(phases()).toEqual(['1/4 ready', '2/5 ready'])
    expect(s.clock.holding).toBe(0)
  })

  test('and pauses is filled when it was due, when the reload fails', async () => {
    await pausing()
    s.launcher.plan = (child) => child.exit(1)
    await rejection(ReloadError, s.settled(s.supervisor.reload()))
    expect(s.states.get(1)).toBe('starting')
    s.launcher.plan = (child) => child.join()
    const starts = s.launcher.children.length
    await s.clock.advance(99)
    expect(s.launcher.children).toHaveLength(starts)
    await s.clock.advance(1)
    expect([...s.states.values()]).toEqual(['ready', 'ready'])
  })

  test('and pauses is filled in the middle of a reload that takes longer', async () => {
    await pausing()
    const reload = s.supervisor.reload({ settle: SETTLE })
    await s.clock.advance(100)
    expect(phases()).toEqual(['2/2 ready', '1/4 standby', '2/5 standby', '1/6 ready'])
    await s.clock.advance(SETTLE)
    await s.settled(reload)
    expect(phases()).toEqual(['1/4 ready', '2/5 ready'])
  })

  test('because it has failed serves again, and its restarts are counted from zero', async () => {
    s = superviseFakes({ restart: { max: 1 } })
    await s.boot()
    await s.die(1)
    await s.die(3)
    expect(s.states.get(1)).toBe('failed')
    await s.settled(s.supervisor.reload())
    expect([...s.states.values()]).toEqual(['ready', 'ready'])
    expect(s.clock.holding).toBe(0)
    await s.die(4)
    expect(s.states.get(1)).toBe('ready')
  })

  test('because it has failed is tried again at the slowest pace, when the reload fails', async () => {
    s = superviseFakes({ restart: { max: 0 } })
    await s.boot()
    await s.die(1)
    s.launcher.plan = (child) => child.exit(1)
    await rejection(ReloadError, s.settled(s.supervisor.reload()))
    expect([...s.states.values()]).toEqual(['failed', 'ready'])
    s.launcher.plan = (child) => child.join()
    await s.clock.advance(10_000)
    expect([...s.states.values()]).toEqual(['ready', 'ready'])
  })

  test('because it has finished is filled again', async () => {
    s = superviseFakes({ restart: { policy: 'transient' } })
    await s.boot()
    await s.die(1, 0)
    expect(s.states.get(1)).toBe('stopped')
    await s.settled(s.supervisor.reload())
    expect(phases()).toEqual(['1/3 ready', '2/4 ready'])
  })
})

describe('when the last old worker is at the restart limit meanwhile', () => {
  beforeEach(async () => {
    s = superviseFakes({ workers: 1, restart: { max: 0 }, timeouts: { ...TIMEOUTS, settle: SETTLE } })
    await s.boot()
  })

  test('the cluster does not end, because the reload may bring it back', async () => {
    const reload = s.supervisor.reload()
    await s.clock.settle()
    await s.die(1)
    expect([s.states.get(1), s.ends]).toEqual(['failed', []])
    await s.clock.advance(SETTLE)
    await s.settled(reload)
    expect([s.states.get(1), s.ends, s.clock.holding]).toEqual(['ready', [], 0])
  })

  test('the cluster ends when the reload fails, too', async () => {
    const failed = rejection(ReloadError, s.supervisor.reload())
    await s.clock.settle()
    await s.die(1)
    await s.die(2)
    await failed
    await s.clock.settle()
    expect(s.ends).toMatchObject([{ reason: 'failed', error: { failures: [{ id: 1, incarnation: 1 }] } }])
    expect(s.clock.holding).toBe(0)
  })
})

describe('the settings', () => {
  const settingsOf = (...incarnations: number[]) => incarnations.map((n) => s.child(n).settings)
  const A = { args: ['a'], env: { RELEASE: 'a' } }

  beforeEach(async () => {
    s = superviseFakes({ workers: 1 })
    await s.boot()
  })

  test('that a reload is given are those of its workers, and of restarts and scale after it', async () => {
    await s.settled(s.supervisor.reload({ settings: A }))
    await s.die(2)
    await s.settled(s.supervisor.scale(2))
    expect(settingsOf(1, 2, 3, 4)).toEqual([{}, A, A, A])
  })

  test('that a reload does not name stay as the last one has left them', async () => {
    await s.settled(s.supervisor.reload({ settings: A }))
    await s.settled(s.supervisor.reload({ settings: { args: ['b'] } }))
    await s.settled(s.supervisor.reload())
    const both = { ...A, args: ['b'] }
    expect(settingsOf(2, 3, 4)).toEqual([A, both, both])
  })

  test('of a reload that fails are forgotten', async () => {
    s.launcher.plan = (child) => child.exit(1)
    await rejection(ReloadError, s.settled(s.supervisor.reload({ settings: A })))
    s.launcher.plan = (child) => child.join()
    await s.die(1)
    await s.settled(s.supervisor.scale(2))
    await s.settled(s.supervisor.reload())
    expect(settingsOf(2, 3, 4, 5, 6)).toEqual([A, {}, {}, {}, {}])
  })

  test('of before are those of a worker that is restarted while the reload runs', async () => {
    const reload = s.supervisor.reload({ settings: A, settle: SETTLE })
    await s.clock.settle()
    await s.die(1)
    expect(settingsOf(2, 3)).toEqual([A, {}])
    await s.clock.advance(SETTLE)
    await s.settled(reload)
  })
})

describe('several reloads', () => {
  beforeEach(async () => {
    s = superviseFakes({ workers: 1 })
    await s.boot()
    s.launcher.plan = () => {}
  })

  test('are one that runs and one that waits, which all later callers share', async () => {
    const running = s.supervisor.reload()
    await s.clock.settle()
    const queued = s.supervisor.reload()
    expect(queued).not.toBe(running)
    expect(s.supervisor.reload()).toBe(queued)
    s.launcher.plan = (child) => child.join()
    s.child(2).join()
    await s.settled(running)
    await s.settled(queued)
    expect(phases()).toEqual(['1/3 ready'])
    expect(s.reloads.map(({ phase }) => phase)).toEqual(['started', 'finished', 'started', 'finished'])
  })

  test('that wait together do what they would have done one after the other', async () => {
    const running = s.supervisor.reload()
    await s.clock.settle()
    const queued = s.supervisor.reload({ settle: SETTLE, settings: { args: ['b'], env: { RELEASE: 'b' } } })
    void s.supervisor.reload({ settings: { env: { RELEASE: 'c' } } })
    void s.supervisor.reload()
    s.launcher.plan = (child) => child.join()
    s.child(2).join()
    await s.settled(running)
    await s.clock.advance(SETTLE - 1)
    expect(await standing(queued)).toBe('pending')
    await s.clock.advance(1)
    await s.settled(queued)
    expect(s.child(3).settings).toEqual({ args: ['b'], env: { RELEASE: 'c' } })
  })

  test('are independent: one that fails leaves the next its turn', async () => {
    const running = rejection(ReloadError, s.supervisor.reload({ settings: { args: ['broken'] } }))
    await s.clock.settle()
    const queued = s.supervisor.reload()
    s.launcher.plan = (child) => child.join()
    await s.die(2)
    await running
    await s.settled(queued)
    expect(phases()).toEqual(['1/3 ready'])
    expect(s.child(3).settings).toEqual({})
  })

  test('have their plans merged name by name', () => {
    expect(mergePlans({ concurrency: 1, settle: 5, settings: { args: ['x'] } }, { settle: 6, settings: {} })).toEqual({
      concurrency: 1,
      settle: 6,
      settings: { args: ['x'] },
    })
    expect(mergePlans({}, {})).toEqual({ settings: {} })
  })
})

describe.each(['stop', 'kill'] as const)('a %s', (how) => {
  const moments = {
    'while new workers start': async () => {
      s.launcher.plan = (child) => {
        if (child.ref.id === 1) child.join()
      }
    },
    'while new workers settle': async () => {
      s.launcher.plan = (child) => child.join()
    },
    'while old workers drain': async () => {
      s.child(1).obeys = false
      s.launcher.plan = (child) => child.join()
    },
    'while new workers are stopped': async () => {
      s.launcher.plan = (child) => {
        child.join()
        if (child.ref.id === 1) child.obeys = false
        else child.exit(1)
      }
    },
  }

  test.each(Object.entries(moments))('%s ends the reload at once, and every process', async (moment, prepare) => {
    s = superviseFakes({ workers: 3 })
    await s.boot()
    await prepare()
    const settle = moment.includes('settle') ? 60_000 : 0
    const reload = s.supervisor.reload({ settle })
    const failed = rejection(ClusterClosedError, reload)
    await s.clock.settle()
    expect(await standing(reload)).toBe('pending')
    const queued = rejection(ClusterClosedError, s.supervisor.reload())

    const ended = how === 'stop' ? s.supervisor.stop() : s.supervisor.kill()
    await failed
    await queued
    const started = s.launcher.children.length
    await s.clock.advance(5_000)
    await ended
    expect(s.launcher.living).toEqual([])
    expect(s.launcher.children).toHaveLength(started)
    expect(s.ends).toEqual([{ reason: 'stopped' }])
    expect(s.reloads.map(({ phase }) => phase)).toEqual(['started', 'failed'])
    expect(s.clock.holding).toBe(0)
  })

  test('by a listener of the event that starts it has nothing started', async () => {
    await stoppedAt('reload started')
    expect(s.launcher.children).toHaveLength(2)
  })

  test('by a listener of the take-over drains every worker once, as the stop does it', async () => {
    await stoppedAt('ready 3')
    for (const child of s.launcher.children)
      expect(child.received.filter(({ kind }) => kind === 'drain')).toEqual(
        how === 'stop' ? [{ kind: 'drain', mode: 'stop', deadline: TIMEOUTS.drain }] : [],
      )
  })

  async function stoppedAt(line: string) {
    s = superviseFakes()
    await s.boot()
    const push = s.log.push.bind(s.log)
    s.log.push = (...lines) => {
      if (lines.includes(line)) void s.supervisor[how]()
      return push(...lines)
    }
    await rejection(ClusterClosedError, s.settled(s.supervisor.reload()))
    await s.clock.advance(5_000)
    expect(s.launcher.living).toEqual([])
  }
})

test('a scale during a reload waits for it, and starts workers by the new settings', async () => {
  await s.boot()
  const reload = s.supervisor.reload({ settle: SETTLE, settings: { args: ['new'] } })
  const scaled = s.supervisor.scale(3)
  await s.clock.advance(SETTLE - 1)
  expect(s.launcher.living).toEqual(['1/1', '2/2', '1/3', '2/4'])
  await s.clock.advance(1)
  await s.settled(reload)
  await s.settled(scaled)
  expect(phases()).toEqual(['1/3 ready', '2/4 ready', '3/5 ready'])
  expect(s.child(5).settings).toEqual({ args: ['new'] })
})

test('a reload of a stopped cluster is refused', async () => {
  await s.boot()
  await s.settled(s.supervisor.stop())
  await rejection(ClusterClosedError, s.settled(s.supervisor.reload()))
  expect(s.reloads).toEqual([])
})
