import { io, type Socket } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { type ExampleProcess, startExample } from './example.process.js'

interface Said {
  text: string
  worker: number
}

const clients: Client[] = []
let example: ExampleProcess
let url: string

beforeAll(async () => {
  example = startExample('socketio', { PORT: '0', WORKERS: '3' })
  const [, port] = await example.printed(/Worker \d listens on .*port: (\d+)/)
  await example.printed(/Worker 3 is process/)
  url = `http://127.0.0.1:${port}`
})
afterEach(() => {
  for (const { socket } of clients.splice(0)) socket.disconnect()
})
afterAll(() => example?.stop())

/** A page without a browser: by polling alone, each request over a connection of its own, and with the cookies it is given. */
class Client {
  readonly socket: Socket
  readonly worker: Promise<number>
  readonly said: Said[] = []
  readonly errors: string[] = []

  constructor() {
    this.socket = io(url, { transports: ['polling'], withCredentials: true, forceNew: true })
    this.worker = new Promise((resolve) => {
      this.socket.on('welcome', ({ worker }: { worker: number }) => resolve(worker))
    })
    this.socket.on('said', (message: Said) => this.said.push(message))
    this.socket.on('connect_error', ({ message }) => this.errors.push(message))
    this.socket.on('disconnect', (reason) => this.errors.push(reason))
    clients.push(this)
  }
}

it('keeps every session of many clients at its worker, by polling alone', async () => {
  const all = Array.from({ length: 24 }, () => new Client())
  const workers = await Promise.all(all.map(({ worker }) => worker))
  expect(new Set(workers)).toEqual(new Set([1, 2, 3]))

  const expected: Said[] = []
  for (const [index, { socket }] of all.entries()) {
    const text = `from client ${index}`
    socket.emit('say', text)
    expected.push({ text, worker: workers[index]! })
  }
  const inOrder = (messages: Said[]) => messages.toSorted((a, b) => a.text.localeCompare(b.text))
  for (const { said } of all) await expect.poll(() => inOrder(said), { timeout: 10_000 }).toEqual(inOrder(expected))
  expect(all.flatMap(({ errors }) => errors)).toEqual([])
})

it('needs the cookie: a client that does not send it back loses its session', async () => {
  const withoutCookies = io(url, { transports: ['polling'], forceNew: true, reconnection: false })
  // With one chance in three each of its requests comes to the right worker: not all of so many.
  const failure = new Promise<string>((resolve) => {
    withoutCookies.on('connect_error', ({ message }) => resolve(message))
    withoutCookies.on('disconnect', resolve)
  })
  const talk = setInterval(() => withoutCookies.emit('say', 'hello'), 5)
  expect(await failure).toMatch(/xhr (poll|post) error|transport error/)
  clearInterval(talk)
  withoutCookies.disconnect()
})

it('serves its page, with a cookie that leads back to the worker', async () => {
  const first = await fetch(url)
  expect(await first.text()).toContain('<script src="/socket.io/socket.io.js">')
  const [cookie] = first.headers.getSetCookie()
  expect(cookie).toMatch(/^worker=[\w-]+; Path=\/; HttpOnly; SameSite=Lax$/)
  expect((await fetch(`${url}/socket.io/socket.io.js`)).status).toBe(200)
})

it('ends on SIGTERM with exit code 0', async () => {
  expect(await example.stop()).toEqual({ code: 0, signal: null })
})
