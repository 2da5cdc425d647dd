import type { ClusterOptions } from 'troupe'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { endAll, fixture } from '../../support/processes.js'
import { type App, reachAll, runApp } from './app.js'
import { makeCertificate } from './certificate.js'
import { type ClientOptions, HttpClient } from './http-client.js'

interface Case {
  readonly name: string
  readonly balance: ClusterOptions['balance']
  /** What tells the nth client from the others; for a policy that keeps a client with its worker. */
  readonly client?: (n: number) => ClientOptions
}

const CASES: Case[] = [
  { name: "'round-robin'", balance: 'round-robin' },
  { name: "'least-connections'", balance: 'least-connections' },
  { name: "'os'", balance: 'os' },
  { name: "'random'", balance: 'random' },
  { name: "'round-robin', accepted by the primary", balance: { policy: 'round-robin', accept: 'primary' } },
  { name: "'least-connections', accepted by the primary", balance: { policy: 'least-connections', accept: 'primary' } },
  { name: "'ip-hash'", balance: 'ip-hash', client: (n) => ({ localAddress: `127.0.0.${n}` }) },
  { name: '{ cookie }', balance: { cookie: 'sid' }, client: (n) => ({ headers: { cookie: `a=b; sid=client-${n}` } }) },
  { name: '{ header }', balance: { header: 'x-user' }, client: (n) => ({ headers: { 'x-user': `client-${n}` } }) },
  { name: '{ query }', balance: { query: 'user' }, client: (n) => ({ query: `?user=client-${n}` }) },
  {
    name: 'a function',
    balance: ({ remoteAddress }, workers) => workers[Number(remoteAddress?.split('.').at(-1)) % workers.length]!.id,
    client: (n) => ({ localAddress: `127.0.0.${n}` }),
  },
]

describe.each(CASES)('with $name a web app that knows nothing of Troupe', ({ balance, client }) => {
  let app: App
  let clients = 0

  beforeAll(async () => {
    app = await runApp('plain', { balance })
  })
  afterAll(() => app?.cluster.stop())

  /** The nth client, over a connection of its own; without a number, one that has not been here. */
  function open(n: number = ++clients): HttpClient {
    const opened = new HttpClient(app.port, client?.(n))
    onTestFinished(() => opened.close())
    return opened
  }

  it('is served by every worker, each connection by one of them', async () => {
    for (const reached of await reachAll(app, open)) {
      const pid = await reached.pid()
      for (let request = 0; request < 5; request += 1) expect(await reached.pid()).toBe(pid)
    }
  })

  it.skipIf(!client)('finds a client at the same worker again, over however many connections', async () => {
    for (let n = 1; n <= 8; n += 1) {
      const pids = await Promise.all(Array.from({ length: 4 }, () => open(n).pid()))
      expect(new Set(pids).size).toBe(1)
    }
  })

  it("sees the client's own address, and gets and gives every byte", async () => {
    const opened = open()
    const { body, localPort } = await opened.send('GET', '/client')
    expect(JSON.parse(body.toString()).port).toBe(localPort)
    const upload = await opened.send('POST', '/upload', Buffer.alloc(4_000_000, 'x'))
    expect(JSON.parse(upload.body.toString())).toEqual({ size: 4_000_000 })
    const download = await opened.send('GET', '/download')
    const expected = Buffer.concat(Array.from({ length: 64 }, (_, index) => Buffer.alloc(65_536, index)))
    expect(download.body.equals(expected)).toBe(true)
  })
})

describe('{ cookie, issue: true }', () => {
  afterEach(endAll)

  it.each([
    ['Node alone', fixture('frameworks/plain')],
    ['Koa', fixture('frameworks/koa')],
    ['Express 5', fixture('frameworks/express')],
    ['Express 4', new URL('../fixtures/frameworks/express-4.cjs', import.meta.url)],
    ['Fastify', fixture('frameworks/fastify')],
  ])("gives a client its cookie beside the app's own, and once: %s", async (_, exec) => {
    const app = await runApp('', { exec, balance: { cookie: 'worker', issue: true } })
    for (let n = 0; n < 8; n += 1) {
      const first = new HttpClient(app.port)
      const login = await first.send('GET', '/login')
      first.close()
      const cookies = login.headers['set-cookie']!.map((cookie) => cookie.split(';', 1)[0]!)
      expect(cookies.map((cookie) => cookie.split('=', 1)[0]).sort()).toEqual(['session', 'worker'])
      const again = new HttpClient(app.port, { headers: { cookie: cookies.join('; ') } })
      const { headers } = await again.send('GET', '/client')
      again.close()
      expect(headers['x-pid']).toBe(login.headers['x-pid'])
      expect(headers['set-cookie']).toBeUndefined()
    }
  })
})

describe('a policy that needs the first request', () => {
  afterEach(endAll)

  it('leaves a port with TLS to the addresses, and says so', async () => {
    const { key, cert } = makeCertificate()
    const warnings: string[] = []
    const app = await runApp('https', {
      env: { TLS_KEY: key, TLS_CERT: cert },
      balance: { cookie: 'sid' },
      logger: { warn: (message) => void warnings.push(message), error: () => {} },
    })
    let clients = 0
    await reachAll(app, () => new HttpClient(app.port, { ca: cert, localAddress: `127.0.0.${++clients}` }))
    expect(warnings).toEqual([expect.stringMatching(/TLS.*'ip-hash'/)])
  })
})
