import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ClusterOptions, PrimaryCluster } from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import { endAll, fixture, Program, SOON, sendSignal, startCluster, temporaryFolder } from '../support/processes.js'
import type { DirectMethods } from './fixtures/direct-worker.js'

type Direct = { worker: DirectMethods; primary: object }

afterEach(endAll)

/** Two or more workers, the first two of which have met. Sockets go to a folder of the test's own. */
async function met(options: ClusterOptions<Direct> = {}): Promise<PrimaryCluster<Direct>> {
  const cluster = await startCluster<Direct>({ exec: fixture('direct-worker'), workers: 2, ...options })
  await cluster.call(1, 'within', [2, 300])
  return cluster
}

function pidOf(cluster: PrimaryCluster<Direct>, id: number): number {
  return cluster.workers.get(id)?.pid as number
}

async function ofAll(cluster: PrimaryCluster<Direct>, method: 'worked' | 'twice'): Promise<number[]> {
  return [...(await cluster.callAll(method, [])).values()].map((one) => (one.status === 'fulfilled' ? one.value : -1))
}

/** How many calls of worker 1 are answered by worker 2 while this process does nothing at all. */
async function whileBlocked(cluster: PrimaryCluster<Direct>): Promise<number> {
  const calls = cluster.call(1, 'within', [2, 400])
  // It has been written when this turn is over; from then on, and for longer than that, this process passes nothing on.
  await new Promise(setImmediate)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600)
  return await calls
}

describe('calls between two workers', () => {
  it('go on while the primary is blocked', async () => {
    expect(await whileBlocked(await met())).toBeGreaterThan(300)
  })

  it('stand still while the primary is blocked, without direct links', async () => {
    expect(await whileBlocked(await met({ directLinks: false }))).toBeLessThan(10)
  })

  it('come in the order sent, from the first one on, by whichever way', async () => {
    const cluster = await startCluster<Direct>({ exec: fixture('direct-worker'), workers: 3 })
    await Promise.all([1, 2].map((id) => cluster.call(id, 'mix', [3, 3_000], { timeout: 30_000 })))
    for (const id of [1, 2]) {
      await expect.poll(async () => (await cluster.call(3, 'noted', [id])).length, SOON).toBe(3_000)
      const noted = await cluster.call(3, 'noted', [id])
      expect(noted).toEqual([...noted].sort((a, b) => a - b))
    }
  })

  it('carry binary values of every kind, there and back', async () => {
    expect(await (await met()).call(1, 'roundTrip', [2])).toEqual([])
  })

  it('carry many binary values at once, in memory that is used again, unchanged', async () => {
    const cluster = await met()
    const givenUp = await cluster.call(1, 'weighMany', [2, 2_000], { timeout: 60_000 })
    expect(givenUp).toBeGreaterThan(300)
    expect(givenUp).toBeLessThan(1_000)
    expect(await cluster.call(2, 'changed', [])).toEqual([])
  })

  it('carry streams of bytes, more of them than may be on their way at once', async () => {
    const cluster = await met({ limits: { streamBytes: 100_000 } })
    expect(await cluster.call(1, 'readChunks', [2, 600, 5_000])).toEqual([])
    expect(await cluster.call(1, 'readChunks', [2, 5, 1_500_000])).toEqual([])
  })

  it('may fail with long errors, all at once', async () => {
    // So that a batch of them is more than may be written at once.
    const cluster = await met({ limits: { payload: 65_536 } })
    const outcomes = (await cluster.call(1, 'outcomes', [2, 'fail', 256, 20_000], { timeout: 30_000 })) as {
      code: string
    }[]
    expect(new Set(outcomes.map(({ code }) => code))).toEqual(new Set(['ERR_REMOTE']))
  })

  it('count as calls of the one that serves them', async () => {
    const cluster = await met()
    void cluster.call(1, 'outcomes', [2, 'never', 1_000, 3_000]).catch(() => {})
    await expect.poll(() => cluster.workers.get(2)?.calls, SOON).toBe(1_000)
    await expect.poll(() => cluster.workers.get(2)?.calls, SOON).toBe(0)
  })
})

describe('the death of one of the two', () => {
  it('ends 1 000 calls in flight, once each, with all that is known', async () => {
    const cluster = await met()
    const pid = pidOf(cluster, 2)
    const outcomes = cluster.call(1, 'outcomes', [2, 'never', 1_000, 20_000], { timeout: 30_000 })
    await expect.poll(() => cluster.workers.get(2)?.calls, SOON).toBe(1_000)
    sendSignal(pid, 'SIGKILL')
    const all = await outcomes
    expect(all).toHaveLength(1_000)
    for (const outcome of all)
      expect(outcome).toMatchObject({ code: 'ERR_WORKER_GONE', signal: 'SIGKILL', exitCode: null, pid })
  })

  it('gives those that may happen twice to the replacement', async () => {
    const cluster = await met()
    const pid = pidOf(cluster, 2)
    const outcomes = cluster.call(1, 'outcomes', [2, 'again', 20, 15_000], { timeout: 30_000 })
    await expect.poll(() => cluster.workers.get(2)?.calls, SOON).toBe(20)
    sendSignal(pid, 'SIGKILL')
    const values = new Set((await outcomes).map((outcome) => (outcome as { value: number }).value))
    expect(values).toEqual(new Set([pidOf(cluster, 2)]))
    expect(pidOf(cluster, 2)).not.toBe(pid)
  })

  it('fires the signals of what the dead one had called', async () => {
    const cluster = await met()
    void cluster.call(1, 'outcomes', [2, 'never', 100, 20_000], { timeout: 30_000 }).catch(() => {})
    await expect.poll(() => cluster.workers.get(2)?.calls, SOON).toBe(100)
    sendSignal(pidOf(cluster, 1), 'SIGKILL')
    await expect.poll(() => cluster.call(2, 'aborted', []), SOON).toBe(100)
  })

  it('leaves no call of a frozen one without an end, and no memory without a bound', async () => {
    const cluster = await met({ limits: { linkBytes: 1_000_000 } })
    sendSignal(pidOf(cluster, 2), 'SIGSTOP')
    const { rss = 0, ...codes } = await cluster.call(1, 'flood', [2, 5_000, 10_000], { timeout: 30_000 })
    sendSignal(pidOf(cluster, 2), 'SIGCONT')
    expect(Object.keys(codes).sort()).toEqual(['ERR_CALL_TIMEOUT', 'ERR_MAILBOX_FULL'])
    expect(rss).toBeLessThan(400_000_000)
    // Until it has read what waited for it, more is refused.
    await expect.poll(() => cluster.call(1, 'within', [2, 50]).catch(() => 0), SOON).toBeGreaterThan(0)
  })
})

describe('a reload while workers call each other', () => {
  it('loses no call, and repeats none', async () => {
    const cluster = await met({ workers: 3 })
    for (let round = 0; round < 2; round++) {
      const loads = [1, 2, 3].map((id) => cluster.call(id, 'load', [(id % 3) + 1], { timeout: 30_000 }))
      await expect.poll(async () => Math.min(...(await ofAll(cluster, 'worked'))), SOON).toBeGreaterThan(100)
      expect(await ofAll(cluster, 'twice')).toEqual([0, 0, 0])
      const { cut, killed } = await cluster.reload({ settle: 100 })
      expect({ cut, killed }).toEqual({ cut: 0, killed: 0 })
      for (const { calls, failed } of await Promise.all(loads)) {
        expect(failed).toEqual([])
        expect(calls).toBeGreaterThan(100)
      }
    }
  })
})

describe('what is left in the file system', () => {
  const inFolder = (folder: string): string[] => readdirSync(folder).filter((name) => name.startsWith('troupe-'))

  it('is nothing while all have met but an empty folder, and nothing after a stop', async () => {
    const folder = temporaryFolder()
    const { TMPDIR } = process.env
    process.env.TMPDIR = folder
    try {
      const cluster = await met()
      const [made] = inFolder(folder)
      expect(readdirSync(join(folder, made as string))).toEqual([])
      await cluster.stop()
      expect(inFolder(folder)).toEqual([])
    } finally {
      if (TMPDIR === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = TMPDIR
    }
  })

  it('is nothing after the primary was killed', async () => {
    const folder = temporaryFolder()
    const program = new Program(fixture('direct-primary'), [], { env: { TMPDIR: folder } })
    await program.line('met')
    expect(inFolder(folder)).toHaveLength(1)
    program.kill('SIGKILL')
    await expect.poll(() => inFolder(folder), SOON).toEqual([])
  })

  it('is nothing where its path would be too long: calls go by the primary, and a warning says so', async () => {
    const folder = join(temporaryFolder(), 'x'.repeat(100))
    mkdirSync(folder)
    const { TMPDIR } = process.env
    process.env.TMPDIR = folder
    const warnings: string[] = []
    const logger = { warn: (message: string) => void warnings.push(message), error: () => {} }
    try {
      const cluster = await met({ logger })
      expect(await cluster.call(1, 'within', [2, 50])).toBeGreaterThan(0)
      expect(warnings.filter((text) => text.includes('too long'))).toHaveLength(1)
      expect(readdirSync(folder)).toEqual([])
    } finally {
      if (TMPDIR === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = TMPDIR
    }
  })
})
