import {
  type ClusterEvents,
  type ClusterOptions,
  NoSuchWorkerError,
  type PrimaryCluster,
  WorkerGoneError,
} from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import {
  endAll,
  fixture,
  isAlive,
  nobodyLeft,
  Program,
  SOON,
  startCluster,
  temporaryFolder,
} from '../support/processes.js'
import type { Contract } from './fixtures/sup-worker.js'

afterEach(endAll)

const start = (options: ClusterOptions<Contract> = {}) =>
  startCluster<Contract>({ exec: fixture('sup-worker'), workers: 2, ...options })

/** Names and details of what has happened, in order, from now on. */
function record<E extends keyof ClusterEvents>(cluster: PrimaryCluster<Contract>, ...names: E[]) {
  const log: { name: E; detail: ClusterEvents[E] }[] = []
  for (const name of names) cluster.on(name, (detail) => log.push({ name, detail }))
  return log
}

/** The next event of that name. */
function next<E extends keyof ClusterEvents>(
  cluster: PrimaryCluster<Contract>,
  name: E,
  wanted: (detail: ClusterEvents[E]) => boolean = () => true,
): Promise<ClusterEvents[E]> {
  return new Promise((resolve) => {
    const off = cluster.on(name, (detail) => {
      if (!wanted(detail)) return
      off()
      resolve(detail)
    })
  })
}

/** Quick restarts, so that a limit is reached without waiting. */
const HASTY = { backoff: { min: 1, max: 20, factor: 1, jitter: 0 } }

describe('a worker that crashes', () => {
  it.each([
    {
      how: 'throw',
      code: 1,
      signal: null,
      output: /last words before throw\n(?:.*\n)*.*Error: thrown out of a callback/,
    },
    { how: 'exit', code: 3, signal: null, output: /^last words before exit\n$/ },
    { how: 'kill', code: null, signal: 'SIGKILL', output: /^last words before kill\n$/ },
  ] as const)(
    'comes back under its id after $how, and the exit event says how it ended',
    async ({ how, ...expected }) => {
      const cluster = await start()
      const before = cluster.workers.get(2)!
      const exit = next(cluster, 'exit')
      const ready = next(cluster, 'ready')
      await cluster.call(2, 'crash', [how]).catch((error: unknown) => expect(error).toBeInstanceOf(WorkerGoneError))

      const { output, ...rest } = expected
      expect(await exit).toMatchObject({
        id: 2,
        incarnation: before.incarnation,
        pid: before.pid,
        intended: false,
        ...rest,
      })
      expect((await exit).output).toMatch(output)
      const after = await ready
      expect(after.id).toBe(2)
      expect(after.incarnation).toBeGreaterThan(before.incarnation)
      expect(after.pid).not.toBe(before.pid)
      expect(await cluster.call(2, 'identity', [])).toEqual(after)
      expect(cluster.workers.get(2)).toMatchObject({ ...after, state: 'ready' })
      expect(await cluster.call(1, 'identity', [])).toMatchObject({ id: 1, incarnation: 1 })
    },
  )

  it('is told of in this order: exit, restart, fork, online, listening, ready', async () => {
    const cluster = await start({
      workers: 1,
      ready: 'listen',
      env: { SUP_LISTEN: `${temporaryFolder()}/%id.sock` },
    })
    const log = record(cluster, 'fork', 'online', 'listening', 'ready', 'exit', 'restart', 'disconnect')
    const ready = next(cluster, 'ready')
    await cluster.cast(1, 'crash', ['exit'])
    await ready
    expect(log.map(({ name }) => name)).toEqual([
      'disconnect',
      'exit',
      'restart',
      'fork',
      'online',
      'listening',
      'ready',
    ])
    expect(log.map(({ detail }) => detail.incarnation)).toEqual([1, 1, 1, 2, 2, 2, 2])
    expect(new Set(log.map(({ detail }) => detail.id))).toEqual(new Set([1]))
  })

  it('is restarted at once the first time, and after a pause that grows from then on', async () => {
    const cluster = await start({
      workers: 1,
      restart: { backoff: { min: 30, factor: 2, max: 100, jitter: 0 }, max: 9 },
    })
    const log = record(cluster, 'restart')
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      const ready = next(cluster, 'ready')
      await cluster.cast(1, 'crash', ['kill'])
      await ready
    }
    expect(log.map(({ detail }) => [detail.attempt, detail.delay])).toEqual([
      [1, 0],
      [2, 30],
      [3, 60],
      [4, 100],
      [5, 100],
    ])
  })

  it('makes the calls to its id wait for the replacement', async () => {
    const cluster = await start()
    const exit = next(cluster, 'exit')
    await cluster.cast(2, 'crash', ['kill'])
    const { pid } = await exit
    expect(cluster.workers.get(2)?.state).toBe('starting')
    const answers = await Promise.all([1, 2, 3].map(() => cluster.call(2, 'pid', [])))
    expect(new Set(answers)).toEqual(new Set([cluster.workers.get(2)?.pid]))
    expect(answers[0]).not.toBe(pid)
  })

  it('does not disturb its siblings', async () => {
    const cluster = await start({ workers: 2 })
    const waiting = cluster.call(1, 'wait', [])
    await cluster.call(2, 'crash', ['kill']).catch(() => {})
    await expect.poll(() => cluster.workers.get(2)?.state, SOON).toBe('ready')
    await cluster.call(1, 'finish', [])
    expect(await waiting).toBe('waited')
  })

  it('is ended when it leaves its channel and lives on', async () => {
    const cluster = await start({ workers: 1 })
    const { pid } = cluster.workers.get(1)!
    const exit = next(cluster, 'exit')
    const ready = next(cluster, 'ready')
    await cluster.call(1, 'leaveChannel', [])
    expect(await exit).toMatchObject({ pid, intended: false, signal: 'SIGKILL' })
    expect(isAlive(pid)).toBe(false)
    await ready
  })
})

describe('a worker that crashes again and again', () => {
  it('is given up at the limit with a failed event while its siblings serve, and calls to it reject at once', async () => {
    const cluster = await start({ restart: { ...HASTY, max: 2, backoff: { ...HASTY.backoff, max: 60_000 } } })
    const log = record(cluster, 'fork', 'failed')
    const failed = next(cluster, 'failed')
    cluster.on('ready', ({ id }) => void (id === 2 && cluster.cast(2, 'crash', ['exit'])))
    await cluster.cast(2, 'crash', ['exit'])

    expect(await failed).toMatchObject({ id: 2, restarts: 2, code: 3, output: 'last words before exit\n' })
    expect(log.map(({ name }) => name)).toEqual(['fork', 'fork', 'failed'])
    expect(cluster.workers.get(2)?.state).toBe('failed')
    const error = await cluster.call(2, 'pid', []).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(NoSuchWorkerError)
    expect(error).toMatchObject({ sent: 'no', target: 2, method: 'pid' })
    expect(String(error)).toMatch(/worker 2 has failed: it was restarted too often/)
    expect(await cluster.call('any', 'identity', [])).toMatchObject({ id: 1 })
  })

  it('is tried at the slowest pace after that, and serves when it is well again', async () => {
    const cluster = await start({ restart: { ...HASTY, max: 1 } })
    const failed = next(cluster, 'failed')
    const ready = new Promise<void>((resolve) => {
      let starts = 0
      cluster.on('ready', ({ id }) => {
        starts += 1
        if (starts === 1) void cluster.cast(id, 'crash', ['kill'])
        else resolve()
      })
    })
    await cluster.cast(2, 'crash', ['kill'])
    await failed
    await ready
    expect(cluster.workers.get(2)?.state).toBe('ready')
    expect(await cluster.call(2, 'identity', [])).toMatchObject({ id: 2, incarnation: 4 })
  })

  it("ends the cluster with onLimit 'stop', exit code 1 and no fork more than allowed", async () => {
    const program = new Program(fixture('sup-primary'), [
      JSON.stringify({
        exec: './sup-worker.js',
        workers: 2,
        restart: { ...HASTY, max: 3, onLimit: 'stop' },
        crash: { ids: [2], how: 'exit' },
      }),
    ])
    const { closed } = await program.line('closed')
    expect(closed).toMatchObject({ reason: 'failed' })
    expect((closed as { message: string }).message).toMatch(
      /Worker 2 exited with code 3, after 3 restarts within 30000 ms\. Its last output:\n {2}last words before exit/,
    )
    expect(await program.ended).toEqual({ code: 1, signal: null })
    const forked = program.lines.flatMap(({ fork }) => (fork ? [(fork as { id: number }).id] : []))
    expect(forked).toEqual([2, 2, 2])
    await nobodyLeft()
  })

  it('ends the cluster in any case when every slot is at the limit', async () => {
    const cluster = await start({ restart: { ...HASTY, max: 1, backoff: { ...HASTY.backoff, max: 60_000 } } })
    const forks = record(cluster, 'fork')
    cluster.on('ready', ({ id }) => void cluster.cast(id, 'crash', ['kill']))
    await Promise.all([cluster.cast(1, 'crash', ['kill']), cluster.cast(2, 'crash', ['kill'])])
    expect(await cluster.closed).toMatchObject({ reason: 'failed', error: { code: 'ERR_BOOT' } })
    process.exitCode = undefined // The library has set it in this very process, as it should.
    expect(forks).toHaveLength(2)
    await nobodyLeft()
  })
})

describe('the restart policy', () => {
  it("'temporary' starts nothing again, and calls say so", async () => {
    const cluster = await start({ restart: { policy: 'temporary' } })
    const log = record(cluster, 'fork', 'exit')
    const exit = next(cluster, 'exit')
    await cluster.cast(2, 'crash', ['kill'])
    await exit
    await expect.poll(() => cluster.workers.get(2)?.state, SOON).toBe('stopped')
    await expect(cluster.call(2, 'pid', [])).rejects.toThrow(/worker 2 has stopped, and its restart policy/)
    expect(log.map(({ name }) => name)).toEqual(['exit'])
  })

  it("'transient' starts again what failed, and leaves what ended with code 0", async () => {
    const cluster = await start({ workers: 2, restart: { policy: 'transient' } })
    const ready = next(cluster, 'ready')
    await cluster.cast(1, 'crash', ['exit'])
    await cluster.cast(2, 'crash', ['exit-0'])
    expect(await ready).toMatchObject({ id: 1 })
    await expect.poll(() => cluster.workers.get(2)?.state, SOON).toBe('stopped')
    expect(cluster.workers.get(1)?.state).toBe('ready')
  })

  it("ends the cluster as 'finished' when every worker has ended for good, with exit code 0", async () => {
    const program = new Program(fixture('sup-primary'), [
      JSON.stringify({
        exec: './sup-worker.js',
        workers: 2,
        restart: { policy: 'transient' },
        crash: { ids: [1, 2], how: 'exit-0' },
      }),
    ])
    expect(await program.line('closed')).toEqual({ closed: { reason: 'finished' } })
    expect(await program.ended).toEqual({ code: 0, signal: null })
    await nobodyLeft()
  })
})
