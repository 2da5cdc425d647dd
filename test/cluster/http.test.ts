import { Agent, get } from 'node:http'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { freePort } from '../support/free-port.js'
import { endAll, fixture, holdsListener, Program, SOON, startCluster, temporaryFolder } from '../support/processes.js'
import type { Contract } from './fixtures/sup-worker.js'

afterEach(endAll)

interface Served {
  pid: number
  id: number
}

type Place = { port: number } | { socketPath: string }

/** One request; over a connection of its own unless an agent has one. */
function ask(place: Place, agent = new Agent({ keepAlive: false })): Promise<Served> {
  return new Promise((resolve, reject) => {
    get({ ...place, host: '127.0.0.1', agent }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.once('end', () => resolve(JSON.parse(body) as Served))
    }).once('error', reject)
  })
}

/** Of so many connections that stay open, none coming to one of three workers is no chance event with any policy. */
const ENOUGH = 64

/** Everybody who answers, of connections that stay open until so many have. */
async function askAll(place: Place, workers: number): Promise<Served[]> {
  const served = new Map<number, Served>()
  for (let connections = 0; served.size < workers && connections < ENOUGH; connections++) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    const answer = await ask(place, agent)
    served.set(answer.pid, answer)
  }
  return [...served.values()]
}

describe('workers that listen as any program does', () => {
  it.each([
    ['a program that joins', 'sup-worker'],
    ['a program that knows nothing of this library', 'sup-plain'],
  ])('share a port, on which each accepts for itself: %s', async (_, name) => {
    const port = await freePort()
    const cluster = await startCluster({
      exec: fixture(name),
      args: [String(port)],
      env: { SUP_LISTEN: String(port) },
      workers: 3,
      ready: 'listen',
    })
    const pids = [...cluster.workers.values()].map(({ pid }) => pid)
    expect((await askAll({ port }, 3)).map(({ pid }) => pid).sort()).toEqual([...pids].sort())
    // The primary owns the socket, and the workers have it too.
    expect(holdsListener(process.pid, port)).toBe(true)
    expect(pids.map((pid) => holdsListener(pid, port))).toEqual([true, true, true])
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
    const pids = [...cluster.workers.values()].map(({ pid }) => pid)
    expect((await askAll({ port }, 3)).map(({ pid }) => pid).sort()).toEqual([...pids].sort())
  })

  it('share the path of a unix socket', async () => {
    const socketPath = `${temporaryFolder()}/http.sock`
    const cluster = await startCluster({
      exec: fixture('sup-worker'),
      env: { SUP_LISTEN: socketPath },
      workers: 2,
      ready: 'listen',
    })
    expect((await askAll({ socketPath }, 2)).map(({ id }) => id).sort()).toEqual([1, 2])
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
    // How many each gets is another test's business.
    const connections = (): number => [...cluster.workers.values()].reduce((sum, worker) => sum + worker.connections, 0)
    await expect.poll(connections, SOON).toBe(4)
    await cluster.callAll('finish', [])
    await expect.poll(connections, SOON).toBe(0)
  })
})

describe('the listening socket', () => {
  it.each([
    ['the default', {}, {}],
    [
      "balance: 'round-robin', whatever node is told",
      { balance: 'round-robin' },
      { NODE_CLUSTER_SCHED_POLICY: 'none' },
    ],
    ["balance: 'least-connections'", { balance: 'least-connections' }, {}],
    ["balance: 'os'", { balance: 'os' }, {}],
    ['NODE_CLUSTER_SCHED_POLICY=none', {}, { NODE_CLUSTER_SCHED_POLICY: 'none' }],
  ] as const)('is held by the workers too, which accept for themselves, with %s', async (_, options, env) => {
    const { port, pids, primary } = await startPlain(options, env)
    expect(holdsListener(primary, port)).toBe(true)
    expect(pids.map((pid) => holdsListener(pid, port))).toEqual([true, true])
    expect(pids).toContain((await ask({ port })).pid)
  })

  it.each([
    ['random', 'random'],
    ['ip-hash', 'ip-hash'],
    ["accept: 'primary'", { policy: 'round-robin', accept: 'primary' }],
    ['a cookie', { cookie: 'sid' }],
  ] as const)("is the primary's alone, which accepts and hands over, with %s", async (_, balance) => {
    const { port, pids, primary } = await startPlain({ balance }, {})
    expect(holdsListener(primary, port)).toBe(true)
    expect(pids.map((pid) => holdsListener(pid, port))).toEqual([false, false])
    expect(pids).toContain((await ask({ port })).pid)
  })

  /** A primary of its own, for its own environment. */
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
