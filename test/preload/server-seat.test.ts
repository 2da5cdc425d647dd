import { EventEmitter } from 'node:events'
import type { Server as NetServer, Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { ClientHandle, ServerHandle } from '../../src/preload/handles.js'
import { ServerSeat } from '../../src/preload/server-seat.js'
import { FakeClock } from '../support/fake-clock.js'
import { FakeDescriptors } from '../support/fake-sockets.js'

const HOUR = 3_600_000
const FIRST_RESERVED = 50

/** A server as far as a seat knows it, which takes each connection as node does. */
class FakeServer extends EventEmitter {
  _connections = 0
  maxConnections: number | undefined
  dropMaxConnection: boolean | undefined
  /** What each connection began with. */
  readonly heads: string[] = []
  readonly handle: ServerHandle & { accepting: boolean } = {
    accepting: true,
    onconnection: (_error, client) => this.#take(client),
    listen: () => 0,
    close: () => {},
    ref: () => {},
    unref: () => {},
    readStart() {
      this.accepting = true
      return 0
    },
    readStop() {
      this.accepting = false
      return 0
    },
  }

  /** The system gives it a connection. */
  accept(fd = 10): void {
    this.handle.onconnection?.call(this.handle, 0, { fd, close: () => {} })
  }

  #take(client: ClientHandle | undefined): void {
    if (this.maxConnections !== undefined && this._connections >= this.maxConnections) {
      client?.close()
      return
    }
    this._connections++
    const head: Buffer[] = []
    this.emit('connection', { unshift: (bytes: Buffer) => head.unshift(bytes) } as unknown as Socket)
    this.heads.push(Buffer.concat(head).toString('latin1'))
  }
}

function setUp({ accepts }: { accepts: boolean }) {
  const clock = new FakeClock()
  const server = new FakeServer()
  const reports: string[] = []
  const warnings: string[] = []
  const descriptors = new FakeDescriptors()
  descriptors.firstReserved = FIRST_RESERVED
  const seat = new ServerSeat({
    listener: 7,
    server: server as unknown as NetServer,
    handle: server.handle,
    accepts,
    sticky: undefined,
    clock,
    descriptors,
    warn: (message) => void warnings.push(message),
    report: ({ kind, listener, live, room, brief, strays }) => {
      expect({ kind, listener }).toEqual({ kind: 'live', listener: 7 })
      const more = [brief !== undefined && ` ${brief} brief`, strays !== undefined && ` ${strays} strays`]
      reports.push(`${live} ${room}${more.filter(Boolean).join('')}`)
    },
  })
  seat.listening()
  /** What the primary was told since this was asked last. */
  const news = (): string[] => reports.splice(0)
  const closeOne = (): void => {
    server._connections--
    seat.changed()
  }
  const take = (fd = 10, frame: object = {}): void => {
    seat.promise()
    seat.take({ fd, close: () => {} }, { kind: 'connection', id: 1, connection: 1, listener: 7, ...frame })
  }
  return { clock, server, seat, news, closeOne, take, warnings, descriptors }
}

describe('a server that accepts for itself', () => {
  test('does not before it is told to', () => {
    const { server, seat, news } = setUp({ accepts: true })
    expect(server.handle.accepting).toBe(false)
    seat.setLevel(2, false)
    expect(server.handle.accepting).toBe(true)
    expect(news()).toEqual([])
  })

  test('accepts up to the level, and says so at once', () => {
    const { server, seat, news } = setUp({ accepts: true })
    seat.setLevel(2, false)
    server.accept()
    expect([server.handle.accepting, news()]).toEqual([true, []])
    server.accept()
    expect([server.handle.accepting, news()]).toEqual([false, ['2 level']])
    seat.setLevel(4, false)
    expect([server.handle.accepting, news()]).toEqual([true, []])
    server.accept()
    server.accept()
    expect([server.handle.accepting, news()]).toEqual([false, ['4 level']])
  })

  test('goes on when one of its connections has closed', () => {
    const { server, seat, closeOne } = setUp({ accepts: true })
    seat.setLevel(1, false)
    server.accept()
    expect(server.handle.accepting).toBe(false)
    closeOne()
    expect(server.handle.accepting).toBe(true)
  })

  test('tells changes that nobody waits for once in a while', async () => {
    const { clock, server, seat, news, closeOne } = setUp({ accepts: true })
    seat.setLevel(10, false)
    for (let count = 0; count < 5; count++) server.accept()
    await clock.advance(HOUR)
    news()
    closeOne()
    closeOne()
    expect(news()).toEqual([])
    await clock.advance(20)
    expect(news()).toEqual(['3 open'])
    closeOne()
    server.accept()
    await clock.advance(20)
    expect(news()).toEqual(['3 open 1 brief'])
    await clock.advance(HOUR)
    expect(news()).toEqual(['3 open'])
    expect(clock.armed).toBe(0)
  })

  test('tells how many of its connections were brief, until none is', async () => {
    const { clock, server, seat, news, closeOne } = setUp({ accepts: true })
    seat.setLevel(10, false)
    for (let count = 0; count < 3; count++) {
      server.accept()
      closeOne()
    }
    server.accept()
    await clock.advance(20)
    expect(news()).toEqual(['1 open 3 brief'])
    seat.setLevel(10, true)
    expect(news()).toEqual(['1 open 3 brief'])
    await clock.advance(HOUR)
    expect(news()).toEqual(['1 open'])
    expect(clock.armed).toBe(0)
  })

  test('takes no more of those that ended for brief than have come lately', async () => {
    const { clock, server, seat, news, closeOne } = setUp({ accepts: true })
    seat.setLevel(10, false)
    for (let count = 0; count < 5; count++) server.accept()
    await clock.advance(100)
    news()
    server.accept()
    for (let count = 0; count < 4; count++) closeOne()
    await clock.advance(20)
    expect(news()).toEqual(['2 open 1 brief'])
  })

  test('does not say again and again that it has reached the same level', async () => {
    const { clock, server, seat, news, closeOne } = setUp({ accepts: true })
    seat.setLevel(2, false)
    server.accept()
    server.accept()
    news()
    for (let times = 0; times < 9; times++) {
      closeOne()
      server.accept()
    }
    expect(news()).toEqual([])
    await clock.advance(HOUR)
    expect(news()).toEqual(['2 level 9 brief', '2 level'])
  })

  test('answers when it is asked', () => {
    const { server, seat, news } = setUp({ accepts: true })
    seat.setLevel(5, false)
    server.accept()
    seat.setLevel(5, true)
    expect(news()).toEqual(['1 open'])
  })

  test('stops when it is closed to new connections, and is silent from then on', async () => {
    const { clock, server, seat, news, closeOne } = setUp({ accepts: true })
    seat.setLevel(5, false)
    server.accept()
    seat.setLevel(0, false)
    expect(server.handle.accepting).toBe(false)
    closeOne()
    await clock.advance(HOUR)
    expect([server.handle.accepting, news()]).toEqual([false, []])
  })

  test("accepts whatever comes with 'os', and has nothing to say", async () => {
    const { clock, server, seat, news } = setUp({ accepts: true })
    seat.setLevel(null, false)
    for (let count = 0; count < 500; count++) server.accept()
    await clock.advance(HOUR)
    expect([server.handle.accepting, news()]).toEqual([true, []])
  })

  test('touches its handle no more when the server was closed', async () => {
    const { clock, server, seat, news, closeOne } = setUp({ accepts: true })
    seat.setLevel(5, false)
    server.accept()
    seat.closed()
    server.handle.readStart = () => expect.unreachable()
    server.handle.readStop = () => expect.unreachable()
    closeOne()
    seat.setLevel(0, true)
    await clock.advance(HOUR)
    expect(news()).toEqual([])
  })
})

describe('a server with `maxConnections`', () => {
  test('leaves the connections over it to other workers', async () => {
    const { clock, server, seat, news, closeOne } = setUp({ accepts: true })
    server.maxConnections = 2
    seat.setLevel(10, false)
    server.accept()
    server.accept()
    expect([server.handle.accepting, news()]).toEqual([false, ['2 full']])
    closeOne()
    expect(server.handle.accepting).toBe(true)
    await clock.advance(20)
    expect(news()).toEqual(['1 open 1 brief'])
  })

  test("does so with 'os' too", async () => {
    const { clock, server, seat, news, closeOne } = setUp({ accepts: true })
    server.maxConnections = 1
    seat.setLevel(null, false)
    server.accept()
    expect([server.handle.accepting, news()]).toEqual([false, ['1 full']])
    closeOne()
    await clock.advance(20)
    expect([server.handle.accepting, news()]).toEqual([true, ['0 open']])
  })

  test('takes and drops them when the program has said that it should', () => {
    const { server, seat } = setUp({ accepts: true })
    server.maxConnections = 1
    server.dropMaxConnection = true
    seat.setLevel(10, false)
    server.accept()
    server.accept()
    expect([server.handle.accepting, seat.isFull]).toEqual([true, false])
  })

  test('refuses what is handed to it beyond that', async () => {
    const { clock, server, seat, news, take, closeOne } = setUp({ accepts: false })
    server.maxConnections = 1
    expect(seat.isFull).toBe(false)
    take()
    expect([seat.isFull, news()]).toEqual([true, ['1 full']])
    closeOne()
    expect(seat.isFull).toBe(false)
    await clock.advance(20)
    expect(news()).toEqual(['0 open'])
  })
})

describe('a server to which connections are handed', () => {
  test('takes them whatever it has, and never accepts by itself', () => {
    const { server, seat, take } = setUp({ accepts: false })
    server.handle.readStart = () => expect.unreachable()
    server.handle.readStop = () => expect.unreachable()
    for (let count = 0; count < 100; count++) take()
    expect([server._connections, seat.isFull]).toEqual([100, false])
  })

  test('tells how many it has, once in a while', async () => {
    const { clock, news, take, closeOne } = setUp({ accepts: false })
    take()
    take()
    take()
    expect(news()).toEqual([])
    await clock.advance(20)
    expect(news()).toEqual(['3 open'])
    closeOne()
    closeOne()
    await clock.advance(20)
    expect(news()).toEqual(['1 open'])
    await clock.advance(HOUR)
    expect(news()).toEqual([])
  })

  test('gives the program what the primary has read, before the program sees the connection', () => {
    const { server, take } = setUp({ accepts: false })
    take(10, { head: Buffer.from('GET / HTTP/1.1\r\n\xff', 'latin1').toString('base64') })
    take(10)
    expect(server.heads).toEqual(['GET / HTTP/1.1\r\n\xff', ''])
    expect(server.listenerCount('connection')).toBe(0)
  })

  test('does not give those bytes to the next connection when node has dropped this one', () => {
    const { server, take } = setUp({ accepts: false })
    server.maxConnections = 0
    take(10, { head: Buffer.from('lost').toString('base64') })
    server.maxConnections = undefined
    take(10)
    expect(server.heads).toEqual([''])
  })

  test('believes a PROXY header about who the client is', () => {
    const { seat } = setUp({ accepts: false })
    const client: ClientHandle = { fd: 10, close: () => {} }
    seat.promise()
    const peer = { address: '192.0.2.1', port: 4711, family: 'IPv4' }
    seat.take(client, { kind: 'connection', id: 1, connection: 1, listener: 7, peer })
    const name = {}
    expect(client.getpeername?.(name)).toBe(0)
    expect(name).toEqual(peer)
  })

  test('tells of requests that belong elsewhere', async () => {
    const { clock, seat, news, take } = setUp({ accepts: false })
    take()
    seat.strayed()
    seat.strayed()
    await clock.advance(20)
    expect(news()).toEqual(['1 open 2 strays'])
    seat.strayed()
    await clock.advance(20)
    expect(news()).toEqual(['1 open 1 strays'])
  })
})

describe.each([{ accepts: true }, { accepts: false }])('a worker that runs out of descriptors: %j', ({ accepts }) => {
  test('takes no more for a while, says so, and recovers by itself', async () => {
    const { clock, server, seat, news, take, warnings } = setUp({ accepts })
    if (accepts) seat.setLevel(1_000, false)
    if (accepts) server.accept(FIRST_RESERVED)
    else take(FIRST_RESERVED)
    expect(server._connections).toBe(1)
    expect([seat.isFull, news()]).toEqual([true, ['0 full']])
    expect(server.handle.accepting).toBe(!accepts)
    expect(warnings).toEqual(['running out of file descriptors (`ulimit -n`): no connection is accepted for now'])
    await clock.advance(100)
    expect(seat.isFull).toBe(false)
    expect(server.handle.accepting).toBe(true)
    await clock.advance(20)
    expect(news().at(-1)).toBe('1 open')
  })

  test('takes none before some are free', async () => {
    const { clock, server, seat, news, take, descriptors, closeOne } = setUp({ accepts })
    if (accepts) seat.setLevel(1_000, false)
    if (accepts) server.accept(FIRST_RESERVED)
    else take(FIRST_RESERVED)
    descriptors.next = FIRST_RESERVED
    closeOne()
    await clock.advance(10_000)
    expect([seat.isFull, server.handle.accepting]).toEqual([true, !accepts])
    descriptors.next = FIRST_RESERVED - 1
    await clock.advance(100 + 20)
    expect([seat.isFull, server.handle.accepting]).toEqual([false, true])
    expect(news().at(-1)).toBe('0 open')
  })

  test('minds no descriptor below', () => {
    const { server, seat, take, warnings } = setUp({ accepts })
    if (accepts) seat.setLevel(1_000, false)
    if (accepts) server.accept(FIRST_RESERVED - 1)
    else take(FIRST_RESERVED - 1)
    expect(seat.isFull).toBe(false)
    expect(warnings).toEqual([])
  })
})
