import type { PrimaryCluster } from 'troupe'
import { describe, expect, it } from 'vitest'
import { echoCluster, nextReady, pidOf } from '../support/echo-cluster.js'
import type { EchoContract } from './fixtures/echo-contract.js'

// Worker 1 casts to worker 2, which is stopped: as many as no pipe and no link holds.

const MANY = 20_000
const SIZE = 1_024

type Cluster = PrimaryCluster<EchoContract>

/** How many of the casts came to what, and how many are still waited for. */
async function outcomes(cluster: Cluster, count = MANY): Promise<Record<string, number>> {
  const known = await cluster.call(1, 'casts', [])
  const counts: Record<string, number> = { waiting: count - known.size }
  for (const outcome of known.values()) counts[outcome] = (counts[outcome] ?? 0) + 1
  return counts
}

const settled = { timeout: 20_000, interval: 50 }

async function sentNumbers(cluster: Cluster): Promise<number[]> {
  const known = await cluster.call(1, 'casts', [])
  return [...known]
    .filter(([, outcome]) => outcome === 'sent')
    .map(([value]) => value)
    .sort((a, b) => a - b)
}

/** Stops worker 2, and lets worker 1 cast until the way there is full. */
async function castToStopped(cluster: Cluster): Promise<number> {
  const pid = pidOf(cluster, 2)
  process.kill(pid, 'SIGSTOP')
  await cluster.call(1, 'castNumbers', [2, MANY, SIZE, false])
  await expect
    .poll(async () => await outcomes(cluster), settled)
    .toMatchObject({ ERR_MAILBOX_FULL: expect.any(Number), waiting: expect.any(Number) })
  return pid
}

describe('casts of a worker to one that is stopped', () => {
  it('wait or are refused, and exactly those that were not refused arrive when it goes on, in order', async () => {
    await using cluster = await echoCluster()
    const pid = await castToStopped(cluster)
    process.kill(pid, 'SIGCONT')
    await expect.poll(async () => (await outcomes(cluster)).waiting, settled).toBe(0)
    const counts = await outcomes(cluster)
    expect(Object.keys(counts).sort()).toEqual(['ERR_MAILBOX_FULL', 'sent', 'waiting'])
    // The way there is one, so that whatever was cast before this has come before it.
    await cluster.call(1, 'callOther', [2, 'echo'])
    expect(await cluster.call(2, 'noted', [])).toEqual(await sentNumbers(cluster))
    console.log(`${MANY} casts of 1 KiB to a stopped worker: ${JSON.stringify(counts)}`)
  })

  it('time out when it stays so', async () => {
    await using cluster = await echoCluster({ timeouts: { call: 1_000, drain: 500, kill: 2_000 } })
    const pid = await castToStopped(cluster)
    try {
      await expect.poll(async () => (await outcomes(cluster)).waiting, settled).toBe(0)
      expect(await outcomes(cluster)).toMatchObject({ ERR_CALL_TIMEOUT: expect.any(Number) })
    } finally {
      process.kill(pid, 'SIGCONT')
    }
  })

  it('are settled by its death, and what is cast then goes to its replacement', async () => {
    await using cluster = await echoCluster()
    const pid = await castToStopped(cluster)
    const ready = nextReady(cluster, 2)
    process.kill(pid, 'SIGKILL')
    await expect.poll(async () => (await outcomes(cluster)).waiting, settled).toBe(0)
    await ready
    await cluster.call(1, 'castNumbers', [2, 100, SIZE, true])
    await expect
      .poll(async () => (await cluster.call(2, 'noted', [])).slice(-100), settled)
      .toEqual(Array.from({ length: 100 }, (_, value) => value))
  })

  it('that are awaited one by one go no faster than it reads, and none is lost', async () => {
    await using cluster = await echoCluster()
    const pid = pidOf(cluster, 2)
    process.kill(pid, 'SIGSTOP')
    await cluster.call(1, 'castNumbers', [2, MANY, SIZE, true])
    // It stands still: what it has sent does not change from one look to the next.
    let before = -1
    await expect
      .poll(async () => {
        const { waiting = 0 } = await outcomes(cluster)
        const same = waiting === before
        before = waiting
        return same
      }, settled)
      .toBe(true)
    expect(before).toBeGreaterThan(MANY / 2)
    process.kill(pid, 'SIGCONT')
    await expect.poll(async () => await outcomes(cluster), settled).toEqual({ sent: MANY, waiting: 0 })
    await cluster.call(1, 'callOther', [2, 'echo'])
    expect(await cluster.call(2, 'noted', [])).toEqual(Array.from({ length: MANY }, (_, value) => value))
    expect(cluster.stats().dropped).toBe(0)
  })

  it('leave nothing behind when who cast them dies', async () => {
    await using cluster = await echoCluster()
    const pid = await castToStopped(cluster)
    const ready = nextReady(cluster, 1)
    process.kill(pidOf(cluster, 1), 'SIGKILL')
    await ready
    process.kill(pid, 'SIGCONT')
    await expect.poll(async () => await cluster.call(2, 'echo', ['it goes on']).catch(() => {}), settled).toBeDefined()
    await cluster.call(1, 'castNumbers', [2, 100, SIZE, true])
    await expect.poll(async () => await outcomes(cluster, 100), settled).toEqual({ sent: 100, waiting: 0 })
    expect(cluster.stats()).toMatchObject({ unexpected: 0, pending: 0 })
  })
})
