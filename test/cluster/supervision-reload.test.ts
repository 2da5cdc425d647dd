import { writeFileSync } from 'node:fs'
import { Agent, get, type RequestOptions } from 'node:http'
import { join } from 'node:path'
import {
  BootError,
  ClusterClosedError,
  type ClusterEvents,
  type ClusterOptions,
  type PrimaryCluster,
  ReloadError,
} from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import {
  endAll,
  fixture,
  freePort,
  isAlive,
  leftBehind,
  nobodyLeft,
  SOON,
  startCluster,
  temporaryFolder,
} from '../support/processes.js'
import type { Contract } from './fixtures/sup-worker.js'

afterEach(endAll)

const start = (options: ClusterOptions<Contract> = {}) =>
  startCluster<Contract>({ exec: fixture('sup-worker'), workers: 2, ...options })

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

/** A worker program in a file that a test can replace, as a deploy does. */
class Release {
  readonly file = join(temporaryFolder(), 'worker.mjs')

  constructor() {
    this.good()
  }

  good(): void {
    writeFileSync(this.file, `import ${JSON.stringify(fixture('sup-worker').href)}\n`)
  }

  broken(): void {
    writeFileSync(this.file, "throw new Error('this release cannot start')\n")
  }
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
    release.broken()
    const error = await cluster.scale(3).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(BootError)
    expect(String(error)).toContain('this release cannot start')
    expect(pids(cluster)).toEqual(before)
    expect(leftBehind()).toEqual(before)
    release.good()
    await cluster.scale(2)
    expect([...cluster.workers.keys()]).toEqual([1, 2])
  })
})

describe('reload', () => {
  it('replaces every worker, each new one ready before the old one drains', async () => {
    const cluster = await start()
    const before = [...cluster.workers.values()]
    const log = record(cluster, 'fork', 'ready', 'exit', 'reload')
    const mostAlive: number[] = []
    cluster.on('ready', () => mostAlive.push(cluster.processes.size))
    await cluster.reload()

    const after = [...cluster.workers.values()]
    expect(after.map(({ id }) => id)).toEqual([1, 2])
    expect(after.filter(({ pid }) => before.some((old) => old.pid === pid))).toEqual([])
    expect(
      log.map(({ name, detail }) => ('id' in detail ? `${name} ${detail.id}` : `${name} ${detail.phase}`)),
    ).toEqual(['reload started', 'fork 1', 'ready 1', 'exit 1', 'fork 2', 'ready 2', 'exit 2', 'reload finished'])
    expect(log.flatMap(({ detail }) => ('intended' in detail ? [detail.intended] : []))).toEqual([true, true])
    expect(mostAlive).toEqual([3, 3])
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

  it('to code that does not start rejects with ReloadError and its output, while the old workers serve on', async () => {
    const release = new Release()
    const cluster = await start({ exec: release.file })
    const before = pids(cluster)
    const log = record(cluster, 'reload', 'restart', 'failed')
    release.broken()
    const error = await cluster.reload().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ReloadError)
    expect(error).toMatchObject({
      code: 'ERR_RELOAD',
      failures: [{ id: 1, output: expect.stringContaining('this release cannot start') }],
    })
    expect(String(error)).toMatch(
      /^ReloadError: The reload was given up; the workers not yet replaced serve on\. Worker 1 exited with code 1 before it was ready\. Its last output:\n/,
    )
    expect(log).toMatchObject([
      { name: 'reload', detail: { phase: 'started' } },
      { name: 'reload', detail: { phase: 'failed', replaced: [] } },
    ])
    expect(pids(cluster)).toEqual(before)
    expect(leftBehind().sort()).toEqual([...before].sort())
    expect(await Promise.all([cluster.call(1, 'pid', []), cluster.call(2, 'pid', [])])).toEqual(before)

    release.good()
    await cluster.reload()
    expect(pids(cluster).filter((pid) => before.includes(pid))).toEqual([])
  })

  it('restarts a worker that dies while its replacement fails', async () => {
    const release = new Release()
    const cluster = await start({ exec: release.file, workers: 1 })
    const [old] = pids(cluster)
    release.broken()
    cluster.on('fork', ({ incarnation }) => {
      if (incarnation !== 2) return
      process.kill(old!, 'SIGKILL')
      release.good()
    })
    // Which of the two the file was for when the new worker read it does not matter here.
    await cluster.reload().catch((error: unknown) => expect(error).toBeInstanceOf(ReloadError))
    await expect.poll(() => cluster.workers.get(1)?.state, SOON).toBe('ready')
    expect(await cluster.call(1, 'pid', [])).not.toBe(old)
  })

  it('runs once, and once more for all who ask meanwhile', async () => {
    const cluster = await start({ workers: 1 })
    const log = record(cluster, 'reload')
    const running = cluster.reload()
    await expect.poll(() => log.length, SOON).toBe(1)
    const queued = [cluster.reload(), cluster.reload(), cluster.reload()]
    expect(new Set(queued).size).toBe(1)
    expect(queued[0]).not.toBe(running)
    await Promise.all([running, ...queued])
    expect(log.map(({ detail }) => detail.phase)).toEqual(['started', 'finished', 'started', 'finished'])
    expect(cluster.workers.get(1)?.incarnation).toBe(3)
  })

  it('and scale wait for each other', async () => {
    const cluster = await start({ workers: 1 })
    const before = pids(cluster)
    await Promise.all([cluster.reload(), cluster.scale(2), cluster.reload(), cluster.scale(1)])
    expect([...cluster.workers.keys()]).toEqual([1])
    expect(pids(cluster)).not.toEqual(before)
    expect(leftBehind()).toEqual(pids(cluster))
  })

  it('is given up by a stop, and starts no worker after it', async () => {
    const cluster = await start({ workers: 3 })
    const log = record(cluster, 'fork')
    const stopped = new Promise((resolve) => cluster.on('ready', () => resolve(cluster.stop())))
    const error = await cluster.reload().catch((reason: unknown) => reason)
    await stopped
    expect(error).toBeInstanceOf(ClusterClosedError)
    expect(log).toHaveLength(1)
    await nobodyLeft()
  })
})

describe('a rolling reload under load', () => {
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
