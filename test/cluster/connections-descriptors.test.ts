import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import type { ClusterOptions } from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import { ask, Client } from '../support/connections.js'
import { freePort } from '../support/free-port.js'
import { endAll, fixture, Program, SOON, sendSignal, startCluster, temporaryFolder } from '../support/processes.js'

/*
 * Processes that may have few descriptors, and more clients than that. Past its limit the system closes what waits to be
 * accepted, without a word: so accepting has to end before, for as long as it takes.
 */
const LIMIT = 64
const CLIENTS = 100
/** More than the reserve would last if it were tried each time whether there is room, ms. */
const TRIES = 2_500
const HELD = /(\d+) holds/

const clients: Client[] = []
afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy()
  await endAll()
})

/** A request that stays under way. */
function open(port: number, path = '/hold'): Client {
  const client = new Client(port)
  client.socket.write(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`)
  clients.push(client)
  return client
}

const held = (): Client[] => clients.filter(({ received }) => HELD.test(received))
const closed = (): Client[] => clients.filter(({ socket }) => socket.closed)
const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length

/** Whoever ends makes room for those who wait: in the end all have been served. */
async function serveAll(): Promise<void> {
  const served = new Set<Client>()
  while (served.size < CLIENTS) {
    await expect.poll(() => held().some((client) => !served.has(client)), SOON).toBe(true)
    for (const client of held()) {
      if (served.has(client)) continue
      served.add(client)
      client.socket.destroy()
    }
  }
}

describe.each([
  ['accept for themselves', undefined],
  ['have connections handed to them', { policy: 'round-robin', accept: 'primary' }],
  ['have connections handed to them by a cookie', { cookie: 'sid' }],
] as const)('workers that %s and run out of descriptors', (_, balance) => {
  it('leave what they cannot have to wait, for as long as it takes, and lose nothing', async () => {
    const port = await freePort()
    const cluster = await startCluster({
      exec: fixture('connections-app'),
      execArgv: ['--import', fixture('connections-limit').href],
      env: { APP_HTTP: String(port), LIMIT: String(LIMIT) },
      workers: 2,
      ready: 'listen',
      balance,
    })
    const pids = [...cluster.workers.values()].map(({ pid }) => pid)
    for (let count = 0; count < CLIENTS; count++) open(port)
    await expect.poll(() => held().length, SOON).toBeGreaterThan(20)
    await wait(TRIES)
    expect(closed()).toHaveLength(0)
    expect(held().length).toBeLessThan(CLIENTS)
    for (const pid of pids) expect(descriptorsOf(pid)).toBeLessThan(LIMIT - 8)
    await serveAll()
    expect([...cluster.workers.values()].map(({ pid }) => pid)).toEqual(pids)
    expect((await ask(port)).size).toBe(0)
  })
})

describe('a worker whose program has used up all descriptors', () => {
  async function start() {
    const port = await freePort()
    const file = `${temporaryFolder()}/used`
    writeFileSync(file, '')
    const cluster = await startCluster({
      exec: fixture('connections-app'),
      execArgv: ['--import', fixture('connections-limit').href],
      env: { APP_HTTP: String(port), LIMIT: String(LIMIT) },
      workers: 2,
      ready: 'listen',
      balance: { policy: 'round-robin', accept: 'primary' },
    })
    const [first = 0, second = 0] = [...cluster.workers.values()].map(({ pid }) => pid)
    return { cluster, port, file, first, second }
  }

  it('gets no connection, and the others get what was for it, until it has some again', async () => {
    const { cluster, port, file, first, second } = await start()
    expect(await open(port, `/use-up?file=${file}`).until(HELD)).toContain(`${first} holds`)
    const pids = await Promise.all(Array.from({ length: 20 }, async () => (await ask(port)).pid))
    expect(new Set(pids)).toEqual(new Set([second]))
    expect(cluster.stats().connections).toMatchObject({ handedOver: 21, waiting: 0, offered: 0, turnedAway: 0 })
    rmSync(file)
    await expect.poll(async () => (await ask(port)).pid, SOON).toBe(first)
  })

  it('lets connections wait when all are like that, and takes them when it is not any more', async () => {
    const { cluster, port, file, first, second } = await start()
    expect(await open(port, `/use-up?file=${file}`).until(HELD)).toContain(`${first} holds`)
    expect(await open(port, `/use-up?file=${file}`).until(HELD)).toContain(`${second} holds`)
    const requests = Array.from({ length: 30 }, () => ask(port))
    await expect.poll(() => cluster.stats().connections, SOON).toMatchObject({ waiting: 30, offered: 0 })
    rmSync(file)
    await Promise.all(requests)
    expect(cluster.stats().connections).toMatchObject({ waiting: 0, offered: 0, turnedAway: 0 })
    expect([...cluster.workers.values()].map(({ pid }) => pid)).toEqual([first, second])
  })
})

describe('a primary that runs out of descriptors', () => {
  it('lets those wait in the kernel whom it cannot hold, for as long as it takes, says so, and goes on', async () => {
    const port = await freePort()
    const gate = `${temporaryFolder()}/gate`
    writeFileSync(gate, '')
    const primary = new Program(
      fixture('connections-primary'),
      [
        JSON.stringify({
          balance: { policy: 'round-robin', accept: 'primary' },
          env: { APP_HTTP: String(port), APP_GATE: gate },
        } satisfies ClusterOptions),
      ],
      { execPath: '/bin/sh', execArgv: ['-c', `ulimit -n ${LIMIT} && exec ${process.execPath} "$0" "$@"`] },
    )
    const { started } = await primary.line('started')
    rmSync(gate)
    for (const pid of started as number[]) sendSignal(pid, 'SIGKILL')
    // From here on nothing but connections takes descriptors, or gives some back.
    await expect.poll(() => primary.lines.filter((line) => 'online' in line), SOON).toHaveLength(2)
    for (let count = 0; count < CLIENTS; count++) open(port)
    expect((await primary.line('warning')).warning).toBe(
      'the primary is running out of file descriptors (`ulimit -n`) and accepts nothing for now',
    )
    await wait(TRIES)
    primary.kill('SIGUSR2')
    expect((await primary.line('stats')).stats).toMatchObject({ exhausted: 1, turnedAway: 0 })
    expect(closed()).toHaveLength(0)
    expect(descriptorsOf(primary.pid)).toBeLessThan(LIMIT - 8)
    writeFileSync(gate, '')
    await serveAll()
    expect(primary.lines.filter((line) => 'error' in line)).toEqual([])
  })
})
