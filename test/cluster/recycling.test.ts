import { Agent, get } from 'node:http'
import type { ClusterEvents, ClusterOptions, PrimaryCluster, RecycleEvent } from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.js'
import { endAll, fixture, SOON, startCluster } from '../support/processes.js'
import type { Contract } from './fixtures/live-worker.js'

afterEach(endAll)

/** Quick signs of life, and with them quick looks. */
const TIMEOUTS = { heartbeat: 800, settle: 100 }

async function start(options: ClusterOptions<Contract>) {
  const cluster = await startCluster<Contract>({
    exec: fixture('live-worker'),
    workers: 2,
    timeouts: TIMEOUTS,
    ...options,
  })
  const recycled: RecycleEvent[] = []
  const exits: ClusterEvents['exit'][] = []
  const restarts: unknown[] = []
  cluster.on('recycle', (event) => recycled.push(event))
  cluster.on('exit', (event) => exits.push(event))
  cluster.on('restart', (event) => restarts.push(event))
  return { cluster, recycled, exits, restarts }
}

const pids = (cluster: PrimaryCluster<Contract>) => [...cluster.workers.values()].map(({ pid }) => pid)

describe('recycling', () => {
  it('replaces a worker whose memory has grown over the limit, and no other', async () => {
    const { cluster, recycled, exits, restarts } = await start({ recycle: { rss: 250 * 1_024 ** 2 } })
    const [one, two] = pids(cluster)
    await cluster.call(2, 'grow', [300])
    await expect.poll(() => exits.length, SOON).toBe(1)
    expect(recycled).toEqual([expect.objectContaining({ id: 2, pid: two, reason: 'rss', limit: 250 * 1_024 ** 2 })])
    expect(recycled[0]?.value).toBeGreaterThan(250 * 1_024 ** 2)
    expect(exits).toMatchObject([{ id: 2, pid: two, intended: true }])
    expect(restarts).toEqual([])
    expect(pids(cluster)).toEqual([one, expect.not.toSatisfy((pid: number) => pid === two)])
    expect(await cluster.call(2, 'pid', [])).toBe(cluster.workers.get(2)?.pid)
  })

  it('by number of requests loses none of them', async () => {
    const port = await freePort()
    const { cluster, exits } = await start({
      recycle: { requests: 200 },
      ready: 'listen',
      env: { LIVE_PORT: String(port) },
    })
    const agent = new Agent({ keepAlive: true, maxSockets: 4 })
    let served = 0
    let asking = true
    const failures: unknown[] = []
    const client = async (): Promise<void> => {
      while (asking) {
        await ask(port, agent).then(
          () => served++,
          (error: unknown) => failures.push(error),
        )
      }
    }
    const clients = Array.from({ length: 4 }, client)
    await expect.poll(() => exits.length, { ...SOON, timeout: 40_000 }).toBeGreaterThanOrEqual(3)
    asking = false
    await Promise.all(clients)
    agent.destroy()
    expect(failures).toEqual([])
    expect(served).toBeGreaterThan(400)
    expect(exits.every(({ intended }) => intended)).toBe(true)
    expect(cluster.workers.size).toBe(2)
  })

  it('by age goes on for as long as the cluster lives', async () => {
    const { cluster, recycled, restarts } = await start({ recycle: { age: 1_000 } })
    const before = pids(cluster)
    await expect.poll(() => new Set(recycled.map(({ id }) => id)).size, SOON).toBe(2)
    await expect.poll(() => pids(cluster).some((pid) => before.includes(pid)), SOON).toBe(false)
    expect(restarts).toEqual([])
  })
})

function ask(port: number, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', agent }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part) => {
        text += part
      })
      response.on('end', () => resolve(text))
      response.on('error', reject)
    })
    request.on('error', reject)
  })
}
