import { createHash, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ClusterOptions, ConnectionInfo, WorkerLoad } from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import { ask, Client, converse, type Place, type Seen } from '../support/connections.js'
import { freePort } from '../support/free-port.js'
import { endAll, fixture, SOON, sendSignal, startCluster, temporaryFolder } from '../support/processes.js'
import { makeCertificate } from './frameworks/certificate.js'

afterEach(endAll)

interface Ports {
  readonly http?: readonly Place[]
  readonly tls?: readonly Place[]
  readonly env?: Record<string, string>
}

/** Two workers that listen there; what was logged. */
async function start({ http = [], tls = [], env }: Ports, options: ClusterOptions) {
  const lines: string[] = []
  const cluster = await startCluster({
    exec: fixture('connections-app'),
    workers: 2,
    ready: 'listen',
    env: { APP_HTTP: http.join(), APP_TLS: tls.join(), ...env },
    logger: { warn: (line) => void lines.push(line), error: (line) => void lines.push(line) },
    ...options,
  })
  const pidOf = (id: number): number => cluster.workers.get(id)!.pid
  return { cluster, lines, pidOf }
}

const GET = 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'
/** What the app has seen, of a whole answer. */
const seen = (answer: string): Seen =>
  JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1)) as Seen
const status = (answer: string): string => answer.split('\r\n')[0] ?? ''

describe('a PROXY header', () => {
  const v1 = (host: number): string => `PROXY TCP4 203.0.113.${host} 198.51.100.1 5000 80\r\n`
  const v2 = (host: number): Buffer =>
    Buffer.concat([
      Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
      Buffer.of(0x21, 0x11, 0, 12, 203, 0, 113, host, 198, 51, 100, 1, 0x13, 0x88, 0, 80),
    ])
  const v2OfIPv6 = Buffer.concat([
    Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
    Buffer.of(0x21, 0x21, 0, 36),
    Buffer.from('20010db8000000000000000000000009', 'hex'),
    Buffer.from('20010db8000000000000000000000001', 'hex'),
    Buffer.of(0x13, 0x88, 0, 80),
  ])

  it.each([
    ["'ip-hash'", { policy: 'ip-hash', proxyProtocol: true }],
    ["'round-robin'", { policy: 'round-robin', proxyProtocol: true }],
    ['a cookie', { cookie: 'sid', proxyProtocol: true }],
    ['a function', { pick: () => 2, proxyProtocol: true }],
  ] as const)('becomes the remote address of the request, and is gone, with %s', async (_, balance) => {
    const port = await freePort()
    await start({ http: [port] }, { balance })
    expect(seen(await converse(port, v1(9) + GET))).toMatchObject({
      remoteAddress: '203.0.113.9',
      remotePort: 5000,
      remoteFamily: 'IPv4',
      url: '/',
    })
    expect(seen(await converse(port, v2(10), GET))).toMatchObject({ remoteAddress: '203.0.113.10', remotePort: 5000 })
    expect(seen(await converse(port, v2OfIPv6, GET))).toMatchObject({
      remoteAddress: '2001:db8::9',
      remotePort: 5000,
      remoteFamily: 'IPv6',
    })
    expect(seen(await converse(port, `PROXY UNKNOWN\r\n${GET}`)).remoteAddress).toMatch(/127\.0\.0\.1$/)
  })

  it('does so under TLS', async () => {
    const port = await freePort()
    const { key, cert } = makeCertificate()
    await start(
      { tls: [port], env: { APP_KEY: key, APP_CERT: cert } },
      { balance: { policy: 'ip-hash', proxyProtocol: true } },
    )
    for (const [header, remoteAddress] of [
      [v1(9), '203.0.113.9'],
      [v2(10), '203.0.113.10'],
      [v2OfIPv6, '2001:db8::9'],
    ] as const) {
      const socket = connect(port, '127.0.0.1')
      socket.write(header)
      const secure = connectTls({ socket, ca: cert, servername: 'localhost' })
      secure.write(GET)
      const answer = Buffer.concat((await secure.toArray()) as Buffer[]).toString()
      expect(seen(answer)).toMatchObject({ remoteAddress, remotePort: 5000 })
    }
  })

  it("leads a client to its worker, with 'ip-hash', over however many connections", async () => {
    const port = await freePort()
    const { pidOf } = await start({ http: [port] }, { balance: { policy: 'ip-hash', proxyProtocol: true } })
    const pids = new Set<number>()
    for (let host = 1; host <= 12; host++) {
      const { pid } = seen(await converse(port, v1(host) + GET))
      expect(seen(await converse(port, v2(host), GET)).pid).toBe(pid)
      pids.add(pid)
    }
    expect(pids).toEqual(new Set([pidOf(1), pidOf(2)]))
  })

  it('must be there: a client without one is told, and one that is slow about it too', async () => {
    const [port, secure] = [await freePort(), await freePort()]
    const { key, cert } = makeCertificate()
    const { cluster } = await start(
      { http: [port], tls: [secure], env: { APP_KEY: key, APP_CERT: cert } },
      { balance: { policy: 'ip-hash', proxyProtocol: true }, timeouts: { peek: 300 } },
    )
    expect(status(await converse(port, GET))).toBe('HTTP/1.1 400 Bad Request')
    expect(status(await converse(port, 'PROXY TCP4 1'))).toBe('HTTP/1.1 408 Request Timeout')
    expect(await converse(secure, '\x16\x03\x01')).toBe('')
    expect(cluster.stats().connections).toMatchObject({ malformed: 2, timedOut: 1, peeking: 0, handedOver: 0 })
  })
})

describe('X-Forwarded-For', () => {
  it('leads a client to its worker when a trusted proxy has written it, and changes nothing else', async () => {
    const port = await freePort()
    const { pidOf } = await start(
      { http: [port] },
      { balance: { policy: 'ip-hash', forwardedFor: ['127.0.0.1', '::1'] } },
    )
    const pids = new Set<number>()
    for (let host = 1; host <= 12; host++) {
      const of = (header: string, localAddress = '127.0.0.1'): Promise<Seen> =>
        ask(port, { headers: { 'x-forwarded-for': header }, localAddress })
      const { pid, remoteAddress } = await of(`203.0.113.${host}`)
      expect(remoteAddress).toMatch(/127\.0\.0\.1$/)
      expect((await of(`10.9.8.7, 203.0.113.${host}`)).pid).toBe(pid)
      pids.add(pid)
    }
    expect(pids).toEqual(new Set([pidOf(1), pidOf(2)]))
  })

  it('is not believed of anybody else', async () => {
    const port = await freePort()
    await start({ http: [port] }, { balance: { policy: 'ip-hash', forwardedFor: ['127.0.0.1'] } })
    const pids = new Set<number>()
    for (let host = 1; host <= 12; host++)
      pids.add(
        (await ask(port, { headers: { 'x-forwarded-for': `203.0.113.${host}` }, localAddress: '127.0.0.2' })).pid,
      )
    expect(pids.size).toBe(1)
  })
})

describe('a head that the primary reads', () => {
  const balance = { cookie: 'sid' } as const

  it('may be split anywhere, and what follows it in the same segment is not lost', async () => {
    const port = await freePort()
    await start({ http: [port] }, { balance })
    const first = 'POST /first HTTP/1.1\r\nHost: h\r\nCookie: sid=a\r\nContent-Length: 5\r\n\r\nhello'
    const text = `${first}${GET}`
    for (let split = 1; split < text.length; split += 7) {
      const answer = await converse(port, text.slice(0, split), text.slice(split))
      expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2)
      expect(answer).toContain(createHash('sha256').update('hello').digest('hex'))
    }
    const slow = await converse(port, ...GET)
    expect(seen(slow).url).toBe('/')
  })

  it('is answered with 431 when it is too large, 408 when it does not come; garbage with 400, by the worker', async () => {
    const port = await freePort()
    const { cluster } = await start({ http: [port] }, { balance, limits: { peek: 1_024 }, timeouts: { peek: 300 } })
    const large = `GET / HTTP/1.1\r\nX-Large: ${'x'.repeat(1_100)}\r\n\r\n`
    expect(status(await converse(port, large))).toBe('HTTP/1.1 431 Request Header Fields Too Large')
    // Without an end, and more of it than is read.
    const endless = `GET / HTTP/1.1\r\nX-Endless: ${'x'.repeat(500_000)}`
    expect(status(await converse(port, endless))).toBe('HTTP/1.1 431 Request Header Fields Too Large')
    expect(status(await converse(port, 'GET / HTTP/1.1\r\n'))).toBe('HTTP/1.1 408 Request Timeout')
    expect(status(await converse(port))).toBe('HTTP/1.1 408 Request Timeout')
    expect(status(await converse(port, 'nonsense\r\n\r\n'))).toBe('HTTP/1.1 400 Bad Request')
    expect(cluster.stats().connections).toMatchObject({ tooLarge: 2, timedOut: 2, peeking: 0, handedOver: 1 })
  })

  it('may never come from a client that goes away: nothing of it stays', async () => {
    const port = await freePort()
    const { cluster } = await start({ http: [port] }, { balance })
    const clients = [new Client(port), new Client(port), new Client(port)]
    for (const { socket } of clients) socket.write('GET / HTTP/1.1\r\n')
    await expect.poll(() => cluster.stats().connections.peeking, SOON).toBe(3)
    clients[0]?.socket.end()
    clients[1]?.socket.destroy()
    clients[2]?.socket.resetAndDestroy()
    await expect.poll(() => cluster.stats().connections, SOON).toMatchObject({ peeking: 0, timedOut: 0, handedOver: 0 })
  })

  it('may be followed by a large body, up and down, every byte of it', async () => {
    const port = await freePort()
    await start({ http: [port] }, { balance })
    const body = randomBytes(32_000_000)
    const sum = createHash('sha256').update(body).digest('hex')
    const uploads = ['a', 'b'].map((client) =>
      ask(port, { method: 'POST', headers: { cookie: `sid=${client}` }, body }),
    )
    for (const upload of await Promise.all(uploads)) expect(upload).toMatchObject({ size: body.length, sum })

    const blocks = 800
    const expected = createHash('sha256')
    for (let left = blocks; left > 0; left--) expected.update(Buffer.alloc(65_536, left))
    const client = new Client(port)
    client.socket.write(`GET /download?blocks=${blocks} HTTP/1.0\r\nHost: h\r\nCookie: sid=a\r\n\r\n`)
    await client.closed
    const all = Buffer.concat(client.chunks)
    const download = all.subarray(all.indexOf('\r\n\r\n') + 4)
    expect(createHash('sha256').update(download).digest('hex')).toBe(expected.digest('hex'))
  })
})

describe('a policy function', () => {
  it('is told who connects and whom it may choose, and is followed', async () => {
    const port = await freePort()
    const told: { connection: ConnectionInfo; workers: readonly WorkerLoad[] }[] = []
    const { pidOf } = await start(
      { http: [port] },
      {
        balance(connection, workers) {
          told.push({ connection, workers })
          return (connection.remotePort ?? 0) % 2 === 0 ? 1 : 2
        },
      },
    )
    for (let count = 0; count < 10; count++) {
      const { pid, remotePort = 0, remoteAddress } = await ask(port)
      expect(pid).toBe(pidOf(remotePort % 2 === 0 ? 1 : 2))
      expect(told.at(-1)?.connection).toEqual({
        remoteAddress,
        remotePort,
        localAddress: expect.stringMatching(/127\.0\.0\.1$/),
        localPort: port,
      })
      expect(told.at(-1)?.workers.map(({ id }) => id)).toEqual([1, 2])
    }
    const held = new Client(port)
    held.socket.write('GET /hold HTTP/1.1\r\nHost: h\r\n\r\n')
    await held.until(/holds/)
    /** How many there are, as a connection that comes now is told. */
    const connections = async (): Promise<number> => {
      await ask(port)
      return told.at(-1)!.workers.reduce((sum, worker) => sum + worker.connections, 0)
    }
    await expect.poll(connections, SOON).toBe(1)
    held.socket.destroy()
    await expect.poll(connections, SOON).toBe(0)
  })

  it.each([
    ['throws', () => expect.fail('no idea')],
    ['gives nobody', () => undefined as never],
    ['gives somebody who is not there', () => 99],
    ['is async, which it cannot be', async () => 1],
  ] as [string, () => number][])('that %s loses no connection, and is reported', async (_, balance) => {
    const port = await freePort()
    const { lines, pidOf } = await start({ http: [port] }, { balance })
    const pids = await Promise.all(Array.from({ length: 20 }, async () => (await ask(port)).pid))
    expect(new Set(pids)).toEqual(new Set([pidOf(1), pidOf(2)]))
    // One line a second, however many there are.
    expect(lines.length).toBeLessThan(pids.length)
    expect(lines[0]).toMatch(`the balance function of ${port} gave no worker, so the least busy one was taken`)
  })
})

describe('each port', () => {
  it('can have a policy of its own, and a path too', async () => {
    const [first, second, third] = [await freePort(), await freePort(), `${temporaryFolder()}/http.sock`]
    const { pidOf } = await start(
      { http: [first, second, third] },
      {
        balance: {
          default: () => 1,
          ports: { [second]: { pick: () => 2 }, [third]: ({ remoteAddress }) => (remoteAddress === undefined ? 2 : 1) },
        },
      },
    )
    for (let count = 0; count < 4; count++) {
      expect((await ask(first)).pid).toBe(pidOf(1))
      expect((await ask(second)).pid).toBe(pidOf(2))
      expect((await ask(third)).pid).toBe(pidOf(2))
    }
  })
})

describe('over a unix socket, requests are handed over whole', () => {
  it.each([
    ['random', 'random'],
    ['ip-hash', 'ip-hash'],
    ['a cookie', { cookie: 'sid' }],
  ] as const)('%s', async (_, balance) => {
    const path = `${temporaryFolder()}/http.sock`
    await start({ http: [path] }, { balance })
    const body = randomBytes(50_000)
    const sum = createHash('sha256').update(body).digest('hex')
    for (let count = 0; count < 4; count++)
      expect(await ask(path, { method: 'POST', headers: { cookie: 'sid=a' }, body })).toMatchObject({ sum })
  })
})

describe('a worker to which connections are handed', () => {
  const balance = { policy: 'round-robin', accept: 'primary' } as const

  it('that has its `maxConnections` leaves the next to others, and when all have, they wait', async () => {
    const port = await freePort()
    const { cluster, pidOf } = await start({ http: [port], env: { APP_MAX: '2' } }, { balance })
    const clients = Array.from({ length: 6 }, () => new Client(port))
    for (const { socket } of clients) socket.write('GET /hold HTTP/1.1\r\nHost: h\r\n\r\n')
    const held = (): Client[] => clients.filter(({ received }) => received.includes('holds'))
    await expect.poll(() => held().length, SOON).toBe(4)
    const holders = held().map(({ received }) => Number(/(\d+) holds/.exec(received)?.[1]))
    expect(holders.sort()).toEqual([pidOf(1), pidOf(1), pidOf(2), pidOf(2)].sort())
    await expect.poll(() => cluster.stats().connections.waiting, SOON).toBe(2)
    for (const { socket } of held()) socket.destroy()
    await expect.poll(() => held().length, SOON).toBe(6)
    for (const { socket } of clients) socket.destroy()
    expect(cluster.stats().connections).toMatchObject({ handedOver: 6, turnedAway: 0, waiting: 0 })
  })

  it('can leave with worker.disconnect(): what it has it answers, what comes is for the others', async () => {
    const port = await freePort()
    const { cluster, pidOf } = await start({ http: [port] }, { balance })
    const upload = new Client(port)
    upload.socket.write('POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhel')
    await expect.poll(() => cluster.stats().connections.handedOver, SOON).toBe(1)
    const [leaving, staying] = [pidOf(1), pidOf(2)]
    const left = new Promise((resolve) => cluster.on('exit', ({ pid }) => pid === leaving && resolve(pid)))
    sendSignal(leaving, 'SIGUSR2')
    await expect.poll(async () => (await ask(port)).pid, SOON).toBe(staying)
    for (let count = 0; count < 10; count++) expect((await ask(port)).pid).toBe(staying)
    upload.socket.write('lo')
    await upload.closed
    expect(seen(upload.received)).toMatchObject({ pid: leaving, size: 5 })
    await left
  })
})
