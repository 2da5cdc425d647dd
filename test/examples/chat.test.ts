import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import WebSocket from 'ws'
import type { ServerMessage } from '../../examples/chat/wire.js'
import { type ChatProcess, spawnChat, startChat } from './chat.process.js'

type Frame<T extends ServerMessage['type']> = Extract<ServerMessage, { type: T }>

let chat: ChatProcess
const clients: Client[] = []

beforeAll(async () => {
  chat = await startChat()
})
afterEach(() => {
  for (const client of clients.splice(0)) client.socket.terminate()
})
afterAll(() => chat?.stop())

/** A page without a browser: says what the page says, and remembers every frame. */
class Client {
  readonly socket: WebSocket
  readonly frames: ServerMessage[] = []
  readonly closed: Promise<number>
  welcome!: Frame<'welcome'>
  #changed = () => {}
  #room = ''

  private constructor(url: string) {
    this.socket = new WebSocket(`${url.replace('http', 'ws')}/chat`)
    this.socket.on('message', (data) => {
      this.frames.push(JSON.parse(data.toString()))
      this.#changed()
    })
    this.socket.on('error', () => {})
    this.closed = new Promise((resolve) => this.socket.on('close', (code) => resolve(code)))
    clients.push(this)
  }

  static async connect(url = chat.url): Promise<Client> {
    const client = new Client(url)
    client.welcome = await client.see('welcome')
    return client
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message))
  }

  say(text: string, as = nonce()): void {
    this.send({ type: 'say', room: this.#room, nonce: as, text })
  }

  async join(room: string, name: string, rest: object = {}): Promise<Frame<'joined'>> {
    this.#room = room
    this.send({ type: 'join', room, name, client: clientOf(name), ...rest })
    return this.see('joined', (frame) => frame.room === room)
  }

  /** The first frame of this kind, once it is there; what was looked at is not looked at again. */
  async see<T extends ServerMessage['type']>(type: T, wanted: (frame: Frame<T>) => boolean = () => true) {
    const deadline = AbortSignal.timeout(10_000)
    for (;;) {
      const index = this.frames.findIndex((frame) => frame.type === type && wanted(frame as Frame<T>))
      if (index >= 0) return this.frames.splice(index, 1)[0] as Frame<T>
      if (deadline.aborted) throw new Error(`No “${type}” came, but ${JSON.stringify(this.frames).slice(0, 2_000)}`)
      await new Promise<void>((resolve) => {
        this.#changed = resolve
        deadline.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  /** From here on only what is new counts. */
  forget(): void {
    this.frames.length = 0
  }

  get texts(): string[] {
    return this.frames.flatMap((frame) => (frame.type === 'message' ? frame.text : []))
  }
}

/** Two clients whom different workers serve. */
async function connectApart(): Promise<[Client, Client]> {
  const first = await Client.connect()
  for (let attempt = 0; attempt < 30; attempt += 1) {
    const second = await Client.connect()
    if (second.welcome.worker !== first.welcome.worker) return [first, second]
    second.socket.terminate()
  }
  throw new Error('30 connections in a row came to the same worker')
}

const clientOf = (name: string) => `client-of-${name.replace(/[^a-z0-9]/gi, '')}-12345678`
let nonces = 0
const nonce = () => `nonce-${++nonces}-12345678`
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
const namesOf = ({ people }: { people: { name: string }[] }) => people.map(({ name }) => name).sort()

describe('the page', () => {
  it('comes with a policy that lets no script run but its own', async () => {
    const response = await fetch(chat.url)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'")
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    const html = await response.text()
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=/)
  })

  it('consists of files that are all served, and are not sent twice', async () => {
    const html = await (await fetch(chat.url)).text()
    const paths = [...html.matchAll(/(?:href|src)="(\/[^"]+)"/g)].map((match) => match[1]!)
    const scripts = await (await fetch(`${chat.url}/app.js`)).text()
    for (const match of scripts.matchAll(/from '\.(\/[^']+)'/g)) paths.push(match[1]!)
    expect(paths.length).toBeGreaterThan(8)
    for (const path of paths) {
      const response = await fetch(chat.url + path)
      expect(response.status, path).toBe(200)
      const etag = response.headers.get('etag')!
      const again = await fetch(chat.url + path, { headers: { 'If-None-Match': etag } })
      expect(again.status, path).toBe(304)
    }
  })

  it('is the only thing served', async () => {
    for (const path of ['/main.ts', '/%2e%2e/main.ts', '/public/app.js', '/constructor', '/index.html/']) {
      expect((await fetch(chat.url + path)).status, path).toBe(404)
    }
    expect((await fetch(chat.url, { method: 'POST', body: 'x' })).status).toBe(405)
  })

  it("takes no WebSocket from another site's page", async () => {
    const socket = new WebSocket(`${chat.url.replace('http', 'ws')}/chat`, { origin: 'https://elsewhere.example' })
    const [error] = await once(socket, 'error')
    expect(error.message).toContain('403')
  })
})

describe('people on different workers', () => {
  it('see each other, and hear each other in one order', async () => {
    const [ada, bo] = await connectApart()
    await ada.join('order', 'Ada')
    expect(namesOf(await bo.join('order', 'Bo'))).toEqual(['Ada', 'Bo'])
    await ada.see('people', (frame) => frame.people.length === 2)

    for (let n = 0; n < 8; n += 1) {
      ada.say(`ada ${n}`)
      bo.say(`bo ${n}`)
    }
    await expect.poll(() => [ada.texts.length, bo.texts.length]).toEqual([16, 16])
    expect(ada.texts).toEqual(bo.texts)
    expect(new Set(ada.texts).size).toBe(16)

    ada.forget()
    bo.socket.close()
    await ada.see('people', (frame) => frame.people.length === 1)
  })

  it('see who is typing, and wave from worker to worker', async () => {
    const [ada, bo] = await connectApart()
    await ada.join('hints', 'Ada')
    const { you } = await bo.join('hints', 'Bo')
    ada.send({ type: 'typing' })
    expect((await bo.see('typing')).from.name).toBe('Ada')
    ada.send({ type: 'wave', person: you.person })
    expect((await bo.see('wave')).from.name).toBe('Ada')
    ada.forget()
    bo.socket.close()
    await ada.see('people', (frame) => frame.people.length === 1)
    ada.send({ type: 'wave', person: you.person })
    expect((await ada.see('refused')).reason).toBe('They have just left.')
  })

  it('keep their secrets: neither client ids nor nonces reach another page', async () => {
    const [ada, bo] = await connectApart()
    await ada.join('secrets', 'Ada')
    await bo.join('secrets', 'Bo')
    const mine = nonce()
    ada.say('hello', mine)
    expect((await ada.see('message')).nonce).toBe(mine)
    await bo.see('message')
    const late = await Client.connect()
    await late.join('secrets', 'Cleo')
    const heard = JSON.stringify([bo.frames, late.frames])
    expect(heard).not.toContain(mine)
    expect(heard).not.toContain(clientOf('Ada'))
  })

  it('cannot have the same name in one room', async () => {
    const [ada, other] = await connectApart()
    await ada.join('names', 'Ada')
    other.send({ type: 'join', room: 'names', name: 'ada', client: 'another-client-id' })
    expect(await other.see('refused')).toMatchObject({ code: 'name-taken', reason: expect.stringContaining('Ada') })
  })
})

describe('what is too much', () => {
  it('is answered clearly: a message of 10 kB', async () => {
    const ada = await Client.connect()
    await ada.join('limits', 'Ada')
    const mine = nonce()
    ada.say('x'.repeat(10_240), mine)
    expect(await ada.see('refused')).toEqual({
      type: 'refused',
      code: 'bad-message',
      nonce: mine,
      reason: 'A message has at most 2\u202F000 characters; this one has 10\u202F240.',
    })
    ada.say('shorter')
    expect((await ada.see('message')).text).toBe('shorter')
  })

  it('is answered clearly: a flood of messages, of which the refused ones can be sent later', async () => {
    const ada = await Client.connect()
    await ada.join('flood', 'Ada')
    for (let n = 0; n < 40; n += 1) ada.say(`${n}`)
    const refusal = await ada.see('refused')
    expect(refusal).toMatchObject({
      code: 'too-fast',
      nonce: expect.any(String),
      reason: expect.stringContaining('too fast'),
    })
    expect(refusal.retryAfter).toBeGreaterThan(0)
    expect(refusal.retryAfter).toBeLessThan(2)
    const outcomes = () => ada.frames.filter(({ type }) => type === 'accepted' || type === 'refused').length
    await expect.poll(outcomes).toBe(39)
    expect(ada.texts.length).toBeGreaterThanOrEqual(10)
    expect(ada.texts.length).toBeLessThan(20)
  })

  it('ends the connection: hundreds of frames at once, or one that is larger than any message', async () => {
    const flooder = await Client.connect()
    for (let n = 0; n < 300; n += 1) flooder.send({ type: 'typing' })
    expect(await flooder.closed).toBe(4008)
    const large = await Client.connect()
    large.say('x'.repeat(64 * 1024))
    expect(await large.closed).toBe(1009)
  })

  it('is not understood: frames outside of the protocol', async () => {
    const ada = await Client.connect()
    for (const frame of ['', 'hello', '[]', '{"type":"leave"}', Buffer.from([1, 2, 3])]) {
      ada.socket.send(frame)
      expect(await ada.see('refused')).toMatchObject({ code: 'bad-frame' })
    }
    ada.say('in no room')
    expect(await ada.see('refused')).toMatchObject({ code: 'not-in-room' })
  })
})

it('keeps markup as the text that it is, and lets it be no room', async () => {
  const markup = '<img src=x onerror="alert(1)">'
  const ada = await Client.connect()
  expect((await ada.join('markup', '<b>Ada</b>')).you.name).toBe('<b>Ada</b>')
  ada.say(markup)
  expect(await ada.see('message')).toMatchObject({ name: '<b>Ada</b>', text: markup })
  ada.send({ type: 'join', room: '<script>', name: 'Ada', client: clientOf('Ada') })
  expect(await ada.see('refused')).toMatchObject({ code: 'bad-room' })
})

describe("a worker's crash", () => {
  it('loses no message and doubles none: the page comes back with what it missed', async () => {
    const [ada, bo] = await connectApart()
    const { log } = await ada.join('crash', 'Ada')
    await bo.join('crash', 'Bo')
    ada.say('before')
    const { seq } = await bo.see('message')
    const underWay = nonce()
    ada.say('in the last moment', underWay)
    await bo.see('message', ({ text }) => text === 'in the last moment')

    process.kill(ada.welcome.pid, 'SIGKILL')
    await ada.closed
    await bo.see('people', (frame) => frame.people.length === 1)
    bo.say('while it was down')
    await bo.see('message', ({ text }) => text === 'while it was down')

    const back = await Client.connect()
    const joined = await back.join('crash', 'Ada', { since: { log, seq } })
    expect(joined.resumed).toBe(true)
    expect(joined.messages.map(({ text }) => text)).toEqual(['in the last moment', 'while it was down'])
    await bo.see('people', (frame) => frame.people.length === 2)

    // The page does not know that this one had arrived, and sends it again.
    back.say('in the last moment', underWay)
    expect(await back.see('accepted')).toMatchObject({ nonce: underWay, seq: seq + 1 })
    const late = await Client.connect()
    expect((await late.join('crash', 'Cleo')).messages.map(({ text }) => text)).toEqual([
      'before',
      'in the last moment',
      'while it was down',
    ])
  })

  it('is repaired: the same worker id serves again, in a new process', async () => {
    const victim = await Client.connect()
    const { worker, pid } = victim.welcome
    process.kill(pid, 'SIGKILL')
    await victim.closed
    await expect
      .poll(
        async () => {
          const { welcome, socket } = await Client.connect()
          socket.terminate()
          return welcome.worker === worker && welcome.pid !== pid
        },
        { timeout: 15_000 },
      )
      .toBe(true)
  })
})

describe('the program', () => {
  it('replaces all workers on SIGHUP, under the pages, which keep their history', async () => {
    const before = [await Client.connect(), await Client.connect(), await Client.connect()]
    const { log } = await before[0]!.join('reload', 'Ada')
    before[0]!.say('before the reload')
    await before[0]!.see('accepted')
    process.kill(chat.pid, 'SIGHUP')
    expect(await Promise.all(before.map(({ closed }) => closed))).toEqual([1001, 1001, 1001])

    const after = await Client.connect()
    const old = before.map(({ welcome }) => welcome.pid)
    expect(old).not.toContain(after.welcome.pid)
    const joined = await after.join('reload', 'Ada', { since: { log, seq: 0 } })
    expect(joined.messages.map(({ text }) => text)).toEqual(['before the reload'])
    await expect.poll(() => old.filter(isAlive), { timeout: 20_000 }).toEqual([])
  })

  it('stops on SIGTERM: tells the pages, leaves nothing behind, exits with 0', async () => {
    const own = await startChat({ WORKERS: '2' })
    onTestFinished(() => void own.stop())
    const client = await Client.connect(own.url)
    await client.join('lobby', 'Ada')
    const [stopped, code] = await Promise.all([own.stop(), client.closed])
    expect(stopped).toEqual({ code: 0, signal: null })
    expect(code).toBe(1001)
    await expect(fetch(own.url)).rejects.toThrow()
    expect(isAlive(client.welcome.pid)).toBe(false)
  })

  it('says in one sentence that its port is taken', async () => {
    const { port } = new URL(chat.url)
    const { ended, output, stop } = spawnChat({ PORT: port })
    onTestFinished(() => void stop())
    const { code } = await ended
    expect(code).not.toBe(0)
    expect(output().trim()).toBe(
      `Port ${port} on 127.0.0.1 is in use. Choose another one: PORT=${Number(port) + 1} npm start`,
    )
  })
})
