import { Agent, get, type IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { BalancePolicy } from '../../src/runtime/connections/balance.js'
import { rendezvous } from '../../src/runtime/placement/rendezvous.js'
import { freePort } from '../support/free-port.js'
import { endAll, fixture, SOON, startCluster } from '../support/processes.js'

afterEach(endAll)

const WORKERS = [1, 2, 3]
const KEYS = Array.from({ length: 24 }, (_, index) => `client-${index}`)

async function start(balance: BalancePolicy) {
  const port = await freePort()
  const cluster = await startCluster({
    exec: fixture('sticky-app'),
    args: [String(port)],
    workers: WORKERS.length,
    ready: 'listen',
    balance,
  })
  /** Which worker has that process. */
  const idOf = (pid: number): number => [...cluster.workers.values()].find((worker) => worker.pid === pid)?.id ?? 0
  return { cluster, port, idOf }
}

interface Answer {
  readonly pid: number
  readonly cookie: string | undefined
  readonly headers: IncomingHttpHeaders
}

function ask(port: number, headers: Record<string, string>, path = '/', agent: Agent | false = false): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path, headers, agent }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.once('end', () => resolve({ ...JSON.parse(body), headers: response.headers }))
    }).once('error', reject)
  })
}

/** All that comes back for what is written at once, until the other side closes. */
function converse(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      answer += chunk
    })
    socket.once('end', () => resolve(answer)).once('error', reject)
  })
}

describe('a client with a key', () => {
  it.each<[string, BalancePolicy, (key: string) => { headers: Record<string, string>; path?: string }]>([
    ['cookie', { cookie: 'sid' }, (key) => ({ headers: { Cookie: `theme=dark; sid="${key}"` } })],
    ['header', { header: 'X-User' }, (key) => ({ headers: { 'x-user': key } })],
    ['query', { query: 'room' }, (key) => ({ headers: {}, path: `/?a=b&room=${key}` })],
  ])('in a %s has one worker, the one that its key names', async (_, balance, request) => {
    const { port, idOf } = await start(balance)
    for (const key of [...KEYS, ...KEYS]) {
      const { headers, path } = request(key)
      expect(idOf((await ask(port, headers, path)).pid)).toBe(rendezvous(key, WORKERS))
    }
  })

  it('goes elsewhere only while its worker is away, and others stay where they are', async () => {
    const { cluster, port, idOf } = await start({ cookie: 'sid' })
    const ask1 = async (key: string): Promise<number> => idOf((await ask(port, { Cookie: `sid=${key}` })).pid)
    const before = await Promise.all(KEYS.map(ask1))
    const restarted = new Promise<void>((resolve) => {
      cluster.on('ready', ({ id }) => id === 2 && resolve())
    })
    process.kill(cluster.workers.get(2)?.pid as number, 'SIGKILL')
    const during = await Promise.all(KEYS.map(ask1))
    for (const [index, id] of before.entries()) if (id !== 2) expect(during[index]).toBe(id)
    await restarted
    expect(await Promise.all(KEYS.map(ask1))).toEqual(before)
  })
})

describe('a request that belongs to another worker than its connection', () => {
  const here = KEYS[0] as string
  const there = KEYS.find((key) => rendezvous(key, WORKERS) !== rendezvous(here, WORKERS)) as string

  it('is served, is counted, and ends the connection', async () => {
    const { cluster, port, idOf } = await start({ cookie: 'sid' })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const first = await ask(port, { Cookie: `sid=${here}` }, '/', agent)
    const stray = await ask(port, { Cookie: `sid=${there}` }, '/', agent)
    const next = await ask(port, { Cookie: `sid=${there}` }, '/', agent)
    agent.destroy()
    expect([first, stray, next].map(({ headers }) => headers.connection)).toEqual(['keep-alive', 'close', 'keep-alive'])
    expect(stray.pid).toBe(first.pid)
    expect(idOf(next.pid)).toBe(rendezvous(there, WORKERS))
    await expect.poll(() => cluster.stats().connections.strays, SOON).toBe(1)
  })

  it('in the middle of a pipeline takes none of its neighbours along', async () => {
    const { port } = await start({ cookie: 'sid' })
    const request = (key: string): string => `GET / HTTP/1.1\r\nHost: app\r\nCookie: sid=${key}\r\n\r\n`
    const answers = await converse(port, request(here) + request(there) + request(here))
    expect(answers.match(/"cookie":"sid=[^"]+"/g)).toEqual([here, there, here].map((key) => `"cookie":"sid=${key}"`))
    expect(answers.match(/^Connection: .*$/gm)?.at(-1)).toMatch(/close/)
  })
})

it('perRequest closes after every response', async () => {
  const { port } = await start({ cookie: 'sid', perRequest: true })
  const agent = new Agent({ keepAlive: true })
  const { headers } = await ask(port, { Cookie: 'sid=a' }, '/', agent)
  agent.destroy()
  expect(headers.connection).toBe('close')
})

describe('issue', () => {
  it('gives a client that has no cookie one that leads back to the worker that gave it', async () => {
    const { port } = await start({ cookie: 'worker', issue: true })
    for (let client = 0; client < 12; client++) {
      const first = await ask(port, {})
      const [cookie] = first.headers['set-cookie'] ?? []
      expect(cookie).toMatch(/^worker=[\w-]{16}; Path=\/; HttpOnly; SameSite=Lax$/)
      const again = await ask(port, { Cookie: String(cookie).split(';')[0] as string })
      expect(again.pid).toBe(first.pid)
      expect(again.headers['set-cookie']).toBeUndefined()
    }
  })

  it('keeps the cookies that the program sets', async () => {
    const { port } = await start({ cookie: 'worker', issue: true })
    const { headers } = await ask(port, {}, '/?set=own%3D1')
    expect(headers['set-cookie']).toEqual(['own=1', expect.stringMatching(/^worker=/)])
  })

  it('is not done unless it was asked for', async () => {
    const { port } = await start({ cookie: 'worker' })
    expect((await ask(port, {})).headers['set-cookie']).toBeUndefined()
  })
})
