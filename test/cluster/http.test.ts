import { Agent, get } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import {
  endAll,
  fixture,
  freePort,
  holdsListener,
  Program,
  SOON,
  startCluster,
  temporaryFolder,
} from '../support/processes.js'
import type { Contract } from './fixtures/sup-worker.js'

afterEach(endAll)

interface Served {
  pid: number
  id: number
}

/** One request over a connection of its own. */
function ask(place: { port: number } | { socketPath: string }): Promise<Served> {
  return new Promise((resolve, reject) => {
    get({ ...place, host: '127.0.0.1', agent: new Agent({ keepAlive: false }) }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.once('end', () => resolve(JSON.parse(body) as Served))
    }).once('error', reject)
  })
}

describe('workers that listen as any program does', () => {
  it.each([
    ['a program that joins', 'sup-worker'],
    ['a program that knows nothing of this library', 'sup-plain'],
  ])('share a port by turns: %s', async (_, name) => {
    const port = await freePort()
    const cluster = await startCluster({
      exec: fixture(name),
      args: [String(port)],
      env: { SUP_LISTEN: String(port) },
      workers: 3,
      ready: 'listen',
    })
    const served: number[] = []
    for (let request = 0; request < 9; request += 1) served.push((await ask({ port })).pid)
    const pids = [...cluster.workers.values()].map(({ pid }) => pid)
    expect(new Set(served.slice(0, 3))).toEqual(new Set(pids))
    expect(new Set(served.slice(3))).toEqual(new Set(pids))
    // Round robin: the primary accepts, workers hold no listening socket.
    expect(holdsListener(process.pid, port)).toBe(true)
    expect(pids.map((pid) => holdsListener(pid, port))).toEqual([false, false, false])
  })

  it('share the port that the system chose for port 0, which the listening event tells', async () => {
    const starting = startCluster({ exec: fixture('sup-plain'), args: ['0'], workers: 1, ready: 'listen' })
    const cluster = await starting
    const ports: (number | undefined)[] = []
    cluster.on('listening', ({ address }) => ports.push(address.port ?? undefined))
    await cluster.scale(3)
    await cluster.reload()
    expect(ports).toHaveLength(5)
    expect(new Set(ports).size).toBe(1)
    const port = ports[0]!
    expect(port).toBeGreaterThan(0)
    const served = await Promise.all([1, 2, 3, 4, 5, 6].map(() => ask({ port })))
    expect(new Set(served.map(({ pid }) => pid))).toEqual(new Set([...cluster.workers.values()].map(({ pid }) => pid)))
  })

  it('share the path of a unix socket', async () => {
    const socketPath = `${temporaryFolder()}/http.sock`
    const cluster = await startCluster({
      exec: fixture('sup-worker'),
      env: { SUP_LISTEN: socketPath },
      workers: 2,
      ready: 'listen',
    })
    const served = [await ask({ socketPath }), await ask({ socketPath }), await ask({ socketPath })]
    expect(new Set(served.map(({ id }) => id))).toEqual(new Set([1, 2]))
    expect(cluster.workers.size).toBe(2)
  })

  it('tell how many connections they have open', async () => {
    const port = await freePort()
    const cluster = await startCluster<Contract>({
      exec: fixture('sup-worker'),
      env: { SUP_LISTEN: String(port) },
      workers: 2,
      ready: 'listen',
    })
    const requests = [1, 2, 3, 4].map(() => get({ port, host: '127.0.0.1', path: '/hold', agent: false }))
    for (const request of requests) request.on('response', (response) => response.resume()).on('error', () => {})
    // How many each gets is node's business: whoever takes its connection sooner gets the next one too.
    const connections = (): number => [...cluster.workers.values()].reduce((sum, worker) => sum + worker.connections, 0)
    await expect.poll(connections, SOON).toBe(4)
    await cluster.callAll('finish', [])
    await expect.poll(connections, SOON).toBe(0)
  })
})

describe('the shared handle', () => {
  it.each([
    ["balance: 'os'", { balance: 'os' }, {}],
    ['NODE_CLUSTER_SCHED_POLICY=none', {}, { NODE_CLUSTER_SCHED_POLICY: 'none' }],
  ] as const)('is what %s selects: workers accept by themselves', async (_, options, env) => {
    const { port, pids, primary } = await startPlain(options, env)
    expect(holdsListener(primary, port)).toBe(true)
    expect(pids.map((pid) => holdsListener(pid, port))).toEqual([true, true])
    expect(pids).toContain((await ask({ port })).pid)
  })

  it.each([
    ["balance: 'round-robin'", { balance: 'round-robin' }, { NODE_CLUSTER_SCHED_POLICY: 'none' }],
    ['the default', {}, {}],
  ] as const)('is not used with %s', async (_, options, env) => {
    const { port, pids } = await startPlain(options, env)
    expect(pids.map((pid) => holdsListener(pid, port))).toEqual([false, false])
  })

  /** Node takes the policy once per process: each needs a primary of its own. */
  async function startPlain(options: object, env: Record<string, string>) {
    const port = await freePort()
    const program = new Program(
      fixture('sup-primary'),
      [JSON.stringify({ exec: './sup-plain.js', args: [String(port)], workers: 2, ready: 'listen', ...options })],
      { env },
    )
    const { started } = await program.line('started')
    return { port, pids: started as number[], primary: program.pid }
  }
})
