import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import { DrainedWorker, RawClient } from '../support/draining.js'
import { endAll, SOON } from '../support/processes.js'

afterEach(endAll)

const GOING_AWAY = 1001
/** A close frame with that status, as a server sends it. */
const CLOSE_FRAME = '\x88\x02\x03\xe9'
/** The beginning of a frame of five bytes. */
const PIECE = '\x82\x05hal'

describe('a reload', () => {
  it('closes WebSockets with 1001 one after the other, and those that are left are served', async () => {
    const worker = await DrainedWorker.serve('sockets', { drain: 4_000 })
    const clients = await Promise.all([1, 2, 3, 4].map(() => Client.open(worker.port)))
    await Promise.all(clients.map((client) => client.echo('before')))
    const { ended } = await worker.drain('reload')
    const closed = Promise.all(clients.map((client) => client.closed))
    await Promise.any(clients.map((client) => client.closed))
    const left = clients.filter(({ isOpen }) => isOpen)
    expect(left.length).toBeGreaterThan(0)
    await left.at(-1)!.echo('meanwhile')
    expect(await closed).toEqual(clients.map(() => GOING_AWAY))
    expect(await ended).toMatchObject({ cut: 0 })
    // To the program it is as if each client had left.
    expect(worker.told('closed')).toEqual(clients.map(() => GOING_AWAY))
  })

  it('loses nothing of what was sent before the close, in order, with and without compression', async () => {
    const compressed = { perMessageDeflate: { threshold: 0 } }
    const worker = await DrainedWorker.serve('sockets', {
      drain: 4_000,
      env: { DRAIN_SOCKETS: JSON.stringify(compressed) },
    })
    const clients = [
      await Client.open(worker.port, { perMessageDeflate: true }),
      await Client.open(worker.port, { perMessageDeflate: false }),
    ]
    const talking = clients.map((client) => client.talk())
    await Promise.all(clients.map(({ received }) => expect.poll(() => received.length, SOON).toBeGreaterThan(10)))
    await worker.cluster.reload()
    expect(await Promise.all(clients.map((client) => client.closed))).toEqual([GOING_AWAY, GOING_AWAY])
    await Promise.all(talking)
    for (const { received } of clients) expect(received).toEqual(received.map((_, index) => String(index)))
  })

  it('closes behind a large message that a slow client is still reading', async () => {
    const worker = await DrainedWorker.serve('sockets')
    const client = await Client.open(worker.port)
    client.pause()
    client.send(`size ${2 ** 24}`)
    client.send('and then')
    await expect.poll(() => worker.told('message').length, SOON).toBe(2)
    const { ended } = await worker.drain('reload')
    client.resume()
    expect(await client.closed).toBe(GOING_AWAY)
    expect(client.received.map(({ length }) => length)).toEqual([2 ** 24, 'and then'.length])
    expect(await ended).toMatchObject({ cut: 0 })
  })

  it('closes a WebSocket that the program accepts only now', async () => {
    const worker = await DrainedWorker.serve('sockets')
    const opening = Client.open(worker.port, {}, '/held')
    await worker.holds('/held')
    const { ended } = await worker.drain('reload')
    worker.release()
    expect(await (await opening).closed).toBe(GOING_AWAY)
    expect(await ended).toMatchObject({ cut: 0 })
  })
})

describe('a stop', () => {
  it('closes all WebSockets with 1001 at once', async () => {
    const worker = await DrainedWorker.serve('sockets')
    const clients = await Promise.all([1, 2, 3].map(() => Client.open(worker.port)))
    expect(await worker.cluster.stop()).toMatchObject({ cut: 0 })
    expect(await Promise.all(clients.map(({ closed }) => closed))).toEqual(clients.map(() => GOING_AWAY))
  })

  it('leaves the words of farewell to the program that has its own', async () => {
    const worker = await DrainedWorker.serve('sockets', { env: { DRAIN_FAREWELL: '4000' } })
    const client = await Client.open(worker.port)
    expect(await worker.cluster.stop()).toMatchObject({ cut: 0 })
    expect(await client.closed).toBe(4000)
  })

  it('in the middle of a reload closes those that are left', async () => {
    const worker = await DrainedWorker.serve('sockets')
    const clients = await Promise.all([1, 2, 3].map(() => Client.open(worker.port)))
    const { ended } = await worker.drain('reload')
    ended.catch(() => {})
    await worker.cluster.stop()
    expect(await Promise.all(clients.map(({ closed }) => closed))).toEqual(clients.map(() => GOING_AWAY))
  })

  it('ends a WebSocket whose client does not answer the close', async () => {
    const worker = await DrainedWorker.serve('sockets')
    const client = await upgrade(worker.port)
    const { ended } = await worker.drain('stop')
    await client.ended
    expect(client.text.slice(-CLOSE_FRAME.length)).toBe(CLOSE_FRAME)
    expect(await ended).toMatchObject({ cut: 0 })
  })

  it('writes nothing into a WebSocket that the program passes on, in pieces', async () => {
    const behind = createServer((socket) => void socket.on('error', () => {}).write(PIECE, 'latin1'))
    behind.listen(0, '127.0.0.1')
    await once(behind, 'listening')
    const worker = await DrainedWorker.serve('proxy', {
      env: { DRAIN_BEHIND: String((behind.address() as AddressInfo).port) },
    })
    const client = await upgrade(worker.port)
    await client.receives(PIECE)
    await worker.cluster.stop()
    await client.ended
    expect(client.text.slice(-PIECE.length)).toBe(PIECE)
    behind.close()
  })
})

/** A client of `ws`, and all that it has received. */
class Client {
  readonly received: string[] = []
  readonly closed: Promise<number>
  readonly #socket: WebSocket

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data) => this.received.push(String(data)))
    socket.on('error', () => {})
    this.closed = once(socket, 'close').then(([code]) => code as number)
  }

  static async open(port: number, options: ClientOptions = {}, path = '/'): Promise<Client> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, options)
    const client = new Client(socket)
    await once(socket, 'open')
    return client
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN
  }

  send(text: string): void {
    this.#socket.send(text)
  }

  async echo(text: string): Promise<void> {
    this.send(text)
    await expect.poll(() => this.received, SOON).toContain(text)
  }

  /** Sends 0, 1, 2, each when the one before it has come back, until it is closed. */
  async talk(): Promise<void> {
    for (let next = 0; this.isOpen; next += 1) {
      this.send(String(next))
      await Promise.race([once(this.#socket, 'message'), this.closed])
    }
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }
}

/** A WebSocket whose client says nothing more. */
async function upgrade(port: number): Promise<RawClient> {
  const client = await RawClient.open(port)
  client.socket.write(
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  await client.receives('101 Switching')
  return client
}
