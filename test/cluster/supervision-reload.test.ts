import { Agent, get, type RequestOptions } from 'node:http'
import { pathToFileURL } from 'node:url'
import {
  BootError,
  ClusterClosedError,
  type ClusterEvents,
  type ClusterOptions,
  type PrimaryCluster,
  ReloadError,
} from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.js'
import { endAll, fixture, isAlive, leftBehind, nobodyLeft, SOON, startCluster } from '../support/processes.js'
import { Release } from '../support/release.js'
import type { Contract } from './fixtures/sup-worker.js'

afterEach(endAll)

/** A reload takes over at once when all are ready, where a test does not say otherwise. */
const start = ({ timeouts, ...options }: ClusterOptions<Contract> = {}) =>
  startCluster<Contract>({ exec: fixture('sup-worker'), workers: 2, timeouts: { settle: 0, ...timeouts }, ...options })

/** All that is known of each worker, but for counts that come and go. */
const states = ({ workers }: PrimaryCluster<Contract>) =>
  [...workers.values()].map(({ id, incarnation, pid, state }) => ({ id, incarnation, pid, state }))

const pids = ({ workers }: PrimaryCluster<Contract>) => [...workers.values()].map(({ pid }) => pid)

function record<E extends keyof ClusterEvents>(cluster: PrimaryCluster<Contract>, ...names: E[]) {
  const log: { name: E; detail: ClusterEvents[E] }[] = []
  for (const name of names) cluster.on(name, (detail) => log.push({ name, detail }))
  return log
}

/** Resolves when that process has been asked to drain, and has had time for all that would follow at once. */
async function drainedForAWhile(cluster: PrimaryCluster<Contract>, askedIn: number[], pid: number): Promise<void> {
  await expect.poll(() => askedIn, SOON).toContain(pid)
  for (let turn = 0; turn < 100; turn += 1) await cluster.call(1, 'pid', [])
}

/** The processes that have been asked to drain, told by a hook in each. */
async function announceDrains(cluster: PrimaryCluster<Contract>): Promise<number[]> {
  const askedIn: number[] = []
  cluster.on(
    'message',
    ({ pid, message }) => void ((message as { hook?: string }).hook === 'ended' && askedIn.push(pid)),
  )
  await cluster.callAll('onDrain', ['tell'])
  return askedIn
}

describe('scale', () => {
  it('adds workers with the next ids, and takes the highest ids away', async () => {
    const cluster = await start({ workers: 1 })
    const [first] = pids(cluster)
    await cluster.scale(3)
    expect([...cluster.workers.values()].map(({ id, state }) => `${id} ${state}`)).toEqual([
      '1 ready',
      '2 ready',
      '3 ready',
    ])
    const [, second, third] = pids(cluster)
    await cluster.scale(1)
    expect([...cluster.workers.keys()]).toEqual([1])
    expect(pids(cluster)).toEqual([first])
    expect([second, third].map((pid) => isAlive(pid!))).toEqual([false, false])
    await expect(cluster.call(2, 'pid', [])).rejects.toThrow(/there is no worker 2\. Worker ids are 1/)
    await cluster.scale(2)
    expect(await cluster.call(2, 'identity', [])).toMatchObject({ id: 2, incarnation: 4 })
  })

  it('down waits for the calls that the leaving worker serves', async () => {
    const cluster = await start()
    const log = record(cluster, 'exit', 'restart')
    const askedIn = await announceDrains(cluster)
    const leaving = cluster.workers.get(2)!.pid
    const waiting = cluster.call(2, 'wait', [])
    await expect.poll(() => cluster.call(2, 'waiting', []), SOON).toBe(1)
    const scaled = cluster.scale(1)
    expect(await Promise.race([drainedForAWhile(cluster, askedIn, leaving), waiting, scaled])).toBeUndefined()
    expect(isAlive(leaving)).toBe(true)
    process.kill(leaving, 'SIGUSR2')
    expect(await waiting).toBe('waited')
    await scaled
    expect(log.map(({ name, detail }) => [name, detail.id, 'intended' in detail && detail.intended])).toEqual([
      ['exit', 2, true],
    ])
  })

  it('up to workers that cannot start rejects with BootError, and leaves the cluster as it was', async () => {
    const release = new Release()
    const cluster = await start({ exec: release.file, workers: 1 })
    const before = pids(cluster)
    release.deploy('throws')
    const error = await cluster.scale(3).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(BootError)
    expect(String(error)).toContain('this release cannot start')
    expect(pids(cluster)).toEqual(before)
    expect(leftBehind()).toEqual(before)
    release.deploy('good')
    await cluster.scale(2)
    expect([...cluster.workers.keys()]).toEqual([1, 2])
  })
})

describe('reload', () => {
  it('replaces every worker: all new ones are ready before an old one drains', async () => {
    const cluster = await start()
    const before = pids(cluster)
    const log = record(cluster, 'fork', 'ready', 'exit', 'reload')
    expect(await cluster.reload()).toEqual({ replaced: [1, 2], cut: 0, killed: 0 })

    expect([...cluster.workers.keys()]).toEqual([1, 2])
    expect(pids(cluster).filter((pid) => before.includes(pid))).toEqual([])
    const story = log.map(({ name, detail }) => ('id' in detail ? `${name} ${detail.id}` : `${name} ${detail.phase}`))
    expect(story.slice(0, 5)).toEqual(['reload started', 'fork 1', 'fork 2', 'ready 1', 'ready 2'])
    expect(story.slice(5, 7).sort()).toEqual(['exit 1', 'exit 2'])
    expect(story.slice(7)).toEqual(['reload finished'])
    expect(log.flatMap(({ detail }) => ('intended' in detail ? [detail.intended] : []))).toEqual([true, true])
    expect(leftBehind().sort()).toEqual(pids(cluster).sort())
  })

  it('lets a call in flight finish in the old worker, and gives new calls to the new one', async () => {
    const cluster = await start({ workers: 1 })
    const [old] = pids(cluster)
    const askedIn = await announceDrains(cluster)
    const waiting = cluster.call(1, 'wait', [])
    await expect.poll(() => cluster.call(1, 'waiting', []), SOON).toBe(1)
    const reloaded = cluster.reload()
    await drainedForAWhile(cluster, askedIn, old!)
    expect(await cluster.call(1, 'pid', [])).not.toBe(old)
    expect(cluster.processes.size).toBe(2)
    expect([...cluster.processes.values()].find(({ pid }) => pid === old)).toMatchObject({ id: 1, state: 'draining' })
    // The old one is out of reach of calls, so it ends its own: by its drain deadline at the latest.
    process.kill(old!, 'SIGUSR2')
    expect(await waiting).toBe('waited')
    await reloaded
    expect(isAlive(old!)).toBe(false)
  })

  it('gives nothing to the new workers while they settle', async () => {
    const release = new Release()
    const cluster = await start({ exec: release.file, timeouts: { settle: 60_000 } })
    const before = pids(cluster)
    const up = record(cluster, 'message')
    const reload = cluster.reload()
    reload.catch(() => {})
    await expect.poll(() => up.length, SOON).toBe(2)
    const asked = await Promise.all(
      [1, 2, ...Array.from({ length: 20 }, () => 'any' as const)].map((to) => cluster.call(to, 'pid', [])),
    )
    expect(asked.filter((pid) => !before.includes(pid))).toEqual([])
    expect([...(await cluster.callAll('pid', [])).keys()]).toEqual([1, 2])
    expect(pids(cluster)).toEqual(before)
    expect([...cluster.processes.values()].map(({ state }) => state).sort()).toEqual([
      'ready',
      'ready',
      'starting',
      'starting',
    ])
  })

  it('cuts and kills what does not drain by the deadline, and says how much', async () => {
    const port = await freePort()
    const cluster = await start({
      ready: 'listen',
      env: { SUP_LISTEN: String(port) },
      timeouts: { drain: 300, kill: 2_000 },
    })
    await cluster.call(2, 'ignoreSigterm', [])
    const held = record(cluster, 'message')
    const cut = new Promise((resolve) => get({ port, host: '127.0.0.1', path: '/hold' }).once('error', resolve))
    await expect.poll(() => held.length, SOON).toBe(1)
    expect(await cluster.reload()).toEqual({ replaced: [1, 2], cut: 1, killed: 1 })
    expect(await cut).toMatchObject({ code: 'ECONNRESET' })
  })

  it('restarts an old worker that dies meanwhile, with the old settings, and replaces it with the others', async () => {
    const next = new Release()
    next.deploy('waits')
    const cluster = await start({ env: { RELEASE: 'old' } })
    const forks = record(cluster, 'fork')
    const reload = cluster.reload({ exec: next.file, env: { RELEASE: 'new' } })
    await expect.poll(() => forks.length, SOON).toBe(2)
    const restarted = new Promise<{ id: number; pid: number }>((resolve) => cluster.on('ready', resolve))
    process.kill(cluster.workers.get(1)!.pid, 'SIGKILL')
    const { id, pid } = await restarted
    expect([id, await cluster.call(1, 'pid', [])]).toEqual([1, pid])
    expect((await cluster.call(1, 'process', [])).env.RELEASE).toBe('old')

    next.finish()
    expect(await reload).toEqual({ replaced: [1, 2], cut: 0, killed: 0 })
    expect(isAlive(pid)).toBe(false)
    expect([...cluster.workers.values()].map(({ incarnation }) => incarnation)).toEqual([3, 4])
    expect((await cluster.call(1, 'process', [])).env.RELEASE).toBe('new')
    expect(leftBehind().sort()).toEqual(pids(cluster).sort())
  })

  it('runs once, and once more for all who ask meanwhile', async () => {
    const cluster = await start({ workers: 1 })
    const log = record(cluster, 'reload')
    const running = cluster.reload()
    await expect.poll(() => log.length, SOON).toBe(1)
    const queued = [
      cluster.reload({ args: ['a'], env: { RELEASE: 'a' } }),
      cluster.reload({ args: ['b'] }),
      cluster.reload(),
    ]
    await Promise.all([running, ...queued])
    expect(log.map(({ detail }) => detail.phase)).toEqual(['started', 'finished', 'started', 'finished'])
    expect(cluster.workers.get(1)?.incarnation).toBe(3)
    const { argv, env } = await cluster.call(1, 'process', [])
    expect([argv.slice(2), env.RELEASE]).toEqual([['b'], 'a'])
  })

  it('and scale wait for each other', async () => {
    const cluster = await start({ workers: 1 })
    const before = pids(cluster)
    await Promise.all([cluster.reload(), cluster.scale(2), cluster.reload(), cluster.scale(1)])
    expect([...cluster.workers.keys()]).toEqual([1])
    expect(pids(cluster)).not.toEqual(before)
    expect(leftBehind()).toEqual(pids(cluster))
  })

  it.each([
    ['stop', 'while new workers start', 0, false],
    ['forced stop', 'while new workers start', 0, true],
    ['stop', 'while they settle', 60_000, false],
    ['forced stop', 'while they settle', 60_000, true],
  ])('is ended by a %s %s, and no process is left', async (_how, _moment, settle, force) => {
    const release = new Release()
    const cluster = await start({ exec: release.file, workers: 3 })
    const [forks, ups] = [record(cluster, 'fork'), record(cluster, 'message')]
    const reload = cluster.reload({ settle, concurrency: 1 })
    const over = reload.catch((reason: unknown) => reason)
    await expect.poll(() => (settle > 0 ? ups : forks).length, SOON).toBe(settle > 0 ? 3 : 1)
    const stopped = cluster.stop({ force })
    expect(await over).toBeInstanceOf(ClusterClosedError)
    await stopped
    await nobodyLeft()
    expect(forks).toHaveLength(settle > 0 ? 3 : 1)
  })
})

describe('reload to a release that fails because it', () => {
  /** Clients that ask every worker and `'any'`, one call after the other. Gives who has answered, and what failed. */
  function ask(cluster: PrimaryCluster<Contract>) {
    const answered = new Set<number>()
    const failures: unknown[] = []
    let over = false
    const clients = ([1, 2, 'any'] as const).map(async (to) => {
      while (!over) {
        await cluster.call(to, 'pid', []).then(
          (pid) => answered.add(pid),
          (error: unknown) => failures.push(error),
        )
      }
    })
    return async () => {
      over = true
      await Promise.all(clients)
      return { answered: [...answered].sort(), failures }
    }
  }

  it.each([
    ['throws', 'throws', /^exited with code 1 before it was ready$/, 'Error: this release cannot start'],
    [
      'never gets ready',
      'neverReady',
      /^was not ready within 5000 ms \(`timeouts\.ready`\): it has neither called `joinCluster` nor listened$/,
      'waiting for a lock',
    ],
    [
      'dies a second after it was ready',
      'diesSoon',
      /^exited with code 7 after it was ready, before it took over$/,
      'the licence has expired',
    ],
  ] as const)(
    '%s replaces nobody: the old workers serve on, and the error says which new one failed and why',
    async (_because, program, reason, output) => {
      const release = new Release()
      const cluster = await start({ exec: release.file, timeouts: { ready: 5_000, settle: 2_000 } })
      const before = states(cluster)
      const log = record(cluster, 'reload', 'ready', 'restart', 'failed')
      release.deploy(program)
      const finish = ask(cluster)
      const error = (await cluster.reload().catch((thrown: unknown) => thrown)) as ReloadError
      const { answered, failures } = await finish()

      expect(error).toBeInstanceOf(ReloadError)
      expect(error.failures.length).toBeGreaterThan(0)
      for (const failure of error.failures) {
        expect(failure).toMatchObject({
          reason: expect.stringMatching(reason),
          output: expect.stringContaining(output),
        })
        expect(error.message).toContain(`Worker ${failure.id} ${failure.reason}. Its last output:`)
      }
      expect(error.message).toMatch(/^The reload was given up, and the old workers serve on\. Worker \d .*/)
      expect(error.message).toContain(output)
      expect(log).toEqual([
        { name: 'reload', detail: { phase: 'started' } },
        { name: 'reload', detail: { phase: 'failed', reason: error.message, failures: error.failures } },
      ])

      expect(failures).toEqual([])
      expect(answered).toEqual(before.map(({ pid }) => pid).sort())
      expect(states(cluster)).toEqual(before)
      expect(leftBehind().sort()).toEqual(before.map(({ pid }) => pid).sort())
    },
  )

  it('can be followed by one that succeeds', async () => {
    const release = new Release()
    const cluster = await start({ exec: release.file })
    const before = pids(cluster)
    release.deploy('throws')
    await expect(cluster.reload()).rejects.toBeInstanceOf(ReloadError)
    release.deploy('good')
    await cluster.reload()
    expect(pids(cluster).filter((pid) => before.includes(pid))).toEqual([])
  })
})

describe('what new workers are started with', () => {
  const startedWith = async (cluster: PrimaryCluster<Contract>, id: number) => {
    const { argv, execArgv, env } = await cluster.call(id, 'process', [])
    return {
      exec: argv[1],
      args: argv.slice(2),
      execArgv: execArgv.slice(0, -2),
      env: [env.RELEASE, env.COLOUR, env.OF_PRIMARY],
    }
  }
  /** The next process that serves under that id. */
  const restarted = async (cluster: PrimaryCluster<Contract>, id: number): Promise<void> => {
    const ready = new Promise<void>((resolve) => cluster.on('ready', (worker) => worker.id === id && resolve()))
    await cluster.cast(id, 'crash', ['kill'])
    await ready
  }

  afterEach(() => void delete process.env.OF_PRIMARY)

  it('is the file as it is now, the environment of the primary as it is now, and what the reload was given', async () => {
    const [first, second] = [new Release(), new Release()]
    const cluster = await start({ exec: first.file, args: ['a'], env: { RELEASE: 'a', COLOUR: 'red' } })
    process.env.OF_PRIMARY = 'changed'
    await cluster.reload()
    const before = { exec: first.file, args: ['a'], execArgv: [], env: ['a', 'red', 'changed'] }
    expect(await startedWith(cluster, 1)).toEqual(before)

    const next = { args: ['b'], execArgv: ['--no-warnings'], env: { RELEASE: 'b' } }
    await cluster.reload({ ...next, exec: pathToFileURL(second.file) })
    const after = { ...next, exec: second.file, env: ['b', undefined, 'changed'] }
    expect(await startedWith(cluster, 2)).toEqual(after)

    await restarted(cluster, 1)
    expect(await startedWith(cluster, 1)).toEqual(after)
    await cluster.scale(3)
    expect(await startedWith(cluster, 3)).toEqual(after)
    await cluster.reload({ args: [] })
    expect(await startedWith(cluster, 3)).toEqual({ ...after, args: [] })
  })

  it('stays what it was when a reload fails', async () => {
    const broken = new Release()
    broken.deploy('throws')
    const cluster = await start({ workers: 1, args: ['a'], env: { RELEASE: 'a' } })
    const before = await startedWith(cluster, 1)
    const reload = cluster.reload({ exec: broken.file, args: ['b'], env: { RELEASE: 'b' } })
    await expect(reload).rejects.toBeInstanceOf(ReloadError)
    await restarted(cluster, 1)
    expect(await startedWith(cluster, 1)).toEqual(before)
    await cluster.reload()
    expect(await startedWith(cluster, 1)).toEqual(before)
  })

  it('is checked before anything is started', async () => {
    const cluster = await start({ workers: 1 })
    const log = record(cluster, 'fork', 'reload')
    await expect(cluster.reload({ concurrency: 0 })).rejects.toThrow(
      'Expected `concurrency` to be a positive integer, got 0',
    )
    await expect(cluster.reload({ workers: 3 } as never)).rejects.toThrow(/^Unknown option `workers`\. Known are/)
    expect(log).toEqual([])
  })
})

describe('a reload under load', () => {
  interface Load {
    name: string
    agent: Agent
    answered: number
    by: Set<number>
    failures: string[]
  }

  /** One client that asks again as soon as it has its answer. */
  async function ask(load: Load, options: RequestOptions, until: () => boolean): Promise<void> {
    while (!until()) {
      await new Promise<void>((resolve) => {
        const failed = (error: NodeJS.ErrnoException): void => {
          load.failures.push(error.code ?? error.message)
          resolve()
        }
        get({ ...options, agent: load.agent }, (response) => {
          let body = ''
          response.setEncoding('utf8').on('data', (text: string) => {
            body += text
          })
          response.once('error', failed)
          response.once('end', () => {
            load.answered += 1
            load.by.add((JSON.parse(body) as { pid: number }).pid)
            resolve()
          })
        }).once('error', failed)
      })
    }
  }

  it('fails no request, neither of keep-alive clients nor of one connection per request', async ({ annotate }) => {
    const port = await freePort()
    const cluster = await start({ workers: 2, ready: 'listen', env: { SUP_LISTEN: String(port) } })
    const before = pids(cluster)
    const loads: Load[] = [
      {
        name: 'keep-alive',
        agent: new Agent({ keepAlive: true, maxSockets: 8 }),
        answered: 0,
        by: new Set(),
        failures: [],
      },
      {
        name: 'connection per request',
        agent: new Agent({ keepAlive: false }),
        answered: 0,
        by: new Set(),
        failures: [],
      },
    ]
    let over = false
    const clients = loads.flatMap((load) =>
      Array.from({ length: 8 }, () => ask(load, { port, host: '127.0.0.1', path: '/' }, () => over)),
    )
    for (let round = 0; round < 3; round += 1) await cluster.reload()
    over = true
    await Promise.all(clients)
    for (const { agent } of loads) agent.destroy()

    await annotate(
      loads
        .map(({ name, answered, by, failures }) => `${name}: ${answered} by ${by.size}, ${failures.length} failed`)
        .join('; '),
    )
    expect(loads.map(({ failures }) => failures)).toEqual([[], []])
    for (const { by, answered } of loads) {
      expect(answered).toBeGreaterThan(100)
      expect(by.size).toBeGreaterThanOrEqual(4)
    }
    expect(pids(cluster).filter((pid) => before.includes(pid))).toEqual([])
  })
})
