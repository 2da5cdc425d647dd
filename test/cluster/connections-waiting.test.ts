import { createHash, randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import type { ClusterOptions, PrimaryCluster, UntypedContract } from 'troupe'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { ask, Client, send } from '../support/connections.js'
import { freePort } from '../support/free-port.js'
import { endAll, fixture, SOON, sendSignal, startCluster, temporaryFolder } from '../support/processes.js'

afterEach(endAll)

const SILENT = { warn: () => {}, error: () => {} }
const HELD = /^(\d+) holds/m

/** Two workers whose successors do not listen before the gate is open. */
async function start(options: ClusterOptions = {}) {
  const [port, bytesPort] = [await freePort(), await freePort()]
  const gate = `${temporaryFolder()}/gate`
  const openGate = (): void => writeFileSync(gate, '')
  openGate()
  const cluster = await startCluster({
    exec: fixture('connections-app'),
    workers: 2,
    ready: 'listen',
    env: { APP_HTTP: String(port), APP_BYTES: String(bytesPort), APP_GATE: gate },
    logger: SILENT,
    ...options,
  })
  rmSync(gate)
  return { cluster, port, bytesPort, openGate }
}

/** Kills every worker; resolves when the primary knows it. */
async function killAll(cluster: PrimaryCluster<UntypedContract>): Promise<void> {
  let living = cluster.workers.size
  const dead = new Promise<void>((resolve) => {
    cluster.on('exit', () => {
      if (--living === 0) resolve()
    })
  })
  for (const { pid } of cluster.workers.values()) sendSignal(pid, 'SIGKILL')
  await dead
}

const waiting = (cluster: PrimaryCluster<UntypedContract>) => (): number => cluster.stats().connections.waiting

describe.each([
  ['the default policy', undefined],
  ["accept: 'primary'", { policy: 'least-connections', accept: 'primary' }],
  ['a cookie', { cookie: 'sid' }],
] as const)('while no worker is alive, with %s', (_, balance) => {
  it('nobody is refused: all wait, and are answered by the successors', async () => {
    const { cluster, port, openGate } = await start({ balance })
    await killAll(cluster)
    const requests = Array.from({ length: 30 }, async (_, index) => {
      const body = randomBytes(index * 5_000)
      const headers = { cookie: `sid=${index}` }
      expect(await ask(port, { method: 'POST', headers, body })).toMatchObject({
        size: body.length,
        sum: createHash('sha256').update(body).digest('hex'),
      })
    })
    await expect.poll(waiting(cluster), SOON).toBe(30)
    openGate()
    await Promise.all(requests)
    expect(cluster.stats().connections).toMatchObject({ waiting: 0, handedOver: 30, turnedAway: 0 })
    await expect.poll(() => ask(port), SOON).toBeDefined()
  })

  it('those over the limit are told to come back, at once and in so many words', async () => {
    const { cluster, port, openGate } = await start({ balance, limits: { connections: 3 } })
    await killAll(cluster)
    const patient = Array.from({ length: 3 }, () => ask(port))
    await expect.poll(waiting(cluster), SOON).toBe(3)
    const { status, headers } = await send(port)
    expect([status, headers['retry-after'], headers.connection]).toEqual([503, '1', 'close'])
    // Who still sends its body is not reset before it has read the answer.
    const sending = new Client(port)
    sending.socket.write(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(1_000_000)}`)
    expect(await sending.closed).toBe('end')
    expect(sending.received).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/)
    openGate()
    await Promise.all(patient)
    expect(cluster.stats().connections).toMatchObject({ handedOver: 3, turnedAway: 2 })
  })

  it('nobody waits longer than `timeouts.waiting`', async () => {
    const { cluster, port } = await start({ balance, timeouts: { waiting: 300 } })
    await killAll(cluster)
    const answers = await Promise.all(Array.from({ length: 5 }, () => send(port)))
    expect(answers.map(({ status, headers }) => [status, headers['retry-after']])).toEqual(Array(5).fill([503, '1']))
    expect(cluster.stats().connections).toMatchObject({ waiting: 0, turnedAway: 5 })
  })

  it('a client that gives up hurts nobody', async () => {
    const { cluster, port, openGate } = await start({ balance })
    await killAll(cluster)
    const [gone, reset, patient] = [new Client(port), new Client(port), ask(port)]
    gone.socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    reset.socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    await expect.poll(waiting(cluster), SOON).toBe(3)
    gone.socket.destroy()
    reset.socket.resetAndDestroy()
    openGate()
    expect((await patient).size).toBe(0)
    expect((await ask(port)).size).toBe(0)
  })

  it('a stop tells those who wait, and refuses those who come', async () => {
    const { cluster, port } = await start({ balance })
    await killAll(cluster)
    const requests = [send(port), send(port)]
    await expect.poll(waiting(cluster), SOON).toBe(2)
    await cluster.stop()
    expect((await Promise.all(requests)).map(({ status }) => status)).toEqual([503, 503])
    await expect(send(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})

describe('where no HTTP is spoken', () => {
  it('connections wait too, and those over the limit are closed without a word', async () => {
    const { cluster, bytesPort, openGate } = await start({ limits: { connections: 1 } })
    await killAll(cluster)
    const patient = new Client(bytesPort)
    await expect.poll(waiting(cluster), SOON).toBe(1)
    const refused = new Client(bytesPort)
    expect([await refused.closed, refused.received]).toEqual(['end', ''])
    openGate()
    expect(await patient.until(/\n/)).toMatch(/"pid":\d+/)
    patient.socket.destroy()
  })
})

describe('a worker that freezes', () => {
  const clients: Client[] = []
  afterEach(() => {
    for (const { socket } of clients.splice(0)) socket.destroy()
  })

  /** A request that stays under way; gives who holds it. */
  async function hold(port: number): Promise<number> {
    const client = new Client(port)
    clients.push(client)
    client.socket.write('GET /hold HTTP/1.1\r\nHost: h\r\n\r\n')
    return Number(HELD.exec(await client.until(HELD))?.[1])
  }

  it('takes nothing with it, however many connections come: the others accept them', async () => {
    const { cluster, port } = await start()
    const pids = [...cluster.workers.values()].map(({ pid }) => pid)
    // So many that each has reached its level several times.
    const before: number[] = []
    for (let count = 0; count < 20; count++) before.push(await hold(port))
    expect(new Set(before)).toEqual(new Set(pids))
    const [frozen = 0, other = 0] = pids
    sendSignal(frozen, 'SIGSTOP')
    onTestFinished(() => sendSignal(frozen, 'SIGKILL'))
    const after = await Promise.all(Array.from({ length: 150 }, () => hold(port)))
    expect(new Set(after)).toEqual(new Set([other]))

    // When it thaws it has far less than the other: what comes is for it.
    sendSignal(frozen, 'SIGCONT')
    await expect.poll(() => hold(port), SOON).toBe(frozen)
    const thawed = await Promise.all(Array.from({ length: 50 }, () => hold(port)))
    expect(thawed.filter((pid) => pid === frozen).length).toBeGreaterThan(40)
  })
})
