import cluster from 'node:cluster'
import { EventEmitter } from 'node:events'
import type { Server as NetServer } from 'node:net'
import { constants } from 'node:os'
import { resolve } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { ServerHandle } from '../../src/preload/handles.js'
import { ListenPath } from '../../src/preload/listen.js'
import type { ServerRegistry } from '../../src/preload/servers.js'
import type { BoundFrame, ConnectionUpFrame, UpFrame } from '../../src/protocol/frames.js'
import { DropLog } from '../../src/runtime/drop-log.js'
import { FakeClock } from '../support/fake-clock.js'

type GetServer = (server: NetServer, options: object, callback: (errno: number, handle: unknown) => void) => void
const asWorker = cluster as typeof cluster & { _getServer: GetServer }

/** The path that node itself would take, which is where datagrams go. */
const nodesOwn = vi.fn()

afterEach(() => vi.restoreAllMocks())

class FakeServer extends EventEmitter {
  _connections = 0
  maxConnections: number | undefined
  handle: ServerHandle | undefined
  errno: number | undefined

  /** As `net.Server` asks for its handle, and takes it. */
  listen(options: object): this {
    asWorker._getServer(this as unknown as NetServer, { addressType: 4, ...options }, (errno, handle) => {
      this.errno = errno
      if (errno !== 0) return
      this.handle = handle as ServerHandle
      this.handle.onconnection = () => {
        this._connections++
        this.emit('connection')
      }
      queueMicrotask(() => this.emit('listening'))
    })
    return this
  }

  address(): object {
    return { port: 4711 }
  }

  close(closed: () => void): void {
    this.handle?.close()
    closed()
  }
}

function setUp({ handoffs = 4 } = {}) {
  asWorker._getServer = nodesOwn
  const sent: (UpFrame & ConnectionUpFrame)[] = []
  /** Acknowledgements that are not in the pipe yet. */
  const unwritten: ((error?: Error) => void)[] = []
  /** Connections that the servers are told to wait for. */
  let expected = 0
  const clock = new FakeClock()
  const path = new ListenPath({
    link: {
      full: false,
      held: 0,
      send: (frame) => void sent.push(frame as ConnectionUpFrame),
      sendNow: (frame, { written } = {}) => {
        sent.push(frame as ConnectionUpFrame)
        if (written) unwritten.push(written)
      },
      receive: () => {},
      flushed: async () => {},
      drop: () => undefined,
      close: () => {},
    },
    clock,
    warnings: new DropLog({ warn: () => {}, error: () => {} }, clock),
    servers: {
      asked: () => {},
      expect() {
        expected++
        return () => void expected--
      },
    } as unknown as ServerRegistry,
    handoffs,
    stickySeat: () => {},
  })
  /** What was sent since this was asked last. */
  const news = (): ConnectionUpFrame[] => sent.splice(0)
  const write = (error?: Error): void => {
    for (const written of unwritten.splice(0)) written(error)
  }
  const bound = (frame: Partial<BoundFrame>, handle?: unknown): void =>
    path.receive({ kind: 'bound', ref: 1, listener: 7, path: 'hand-off', sockname: { port: 4711 }, ...frame }, handle)
  /** A server to which connections are handed. */
  const listening = (): FakeServer => {
    const server = new FakeServer().listen({ port: 4711 })
    bound({})
    news()
    return server
  }
  const hand = (id: number, client: unknown = new FakeClient(), listener = 7): void =>
    path.receive({ kind: 'connection', id, connection: 100 + id, listener }, client)
  return { path, news, write, bound, listening, hand, expected: () => expected }
}

class FakeClient {
  readonly fd = 10
  closed = 0
  close(): void {
    this.closed++
  }
}

describe('a server that is to listen', () => {
  test('asks the primary', () => {
    const { news } = setUp()
    new FakeServer().listen({ address: '::1', port: 80, addressType: 6, backlog: 5, flags: 1 })
    expect(news()).toEqual([
      {
        kind: 'listen',
        ref: 1,
        index: 0,
        address: '::1',
        port: 80,
        addressType: 6,
        backlog: 5,
        flags: 1,
        speaks: 'bytes',
        data: null,
      },
    ])
  })

  test("leaves out node's word for no backlog, which it has for a host and a callback", () => {
    const { news } = setUp()
    new FakeServer().listen({ address: '127.0.0.1', port: 80, backlog: false })
    expect((news()[0] as { backlog?: unknown }).backlog).toBeUndefined()
  })

  test('asks for a unix path by its full name, whatever its folder', () => {
    const { news } = setUp()
    new FakeServer().listen({ address: 'http.sock', port: -1, addressType: -1 })
    expect(news()).toMatchObject([{ address: resolve('http.sock'), port: -1 }])
  })

  test('leaves datagrams to node', () => {
    const { news } = setUp()
    const callback = (): void => {}
    const server = new EventEmitter() as NetServer
    asWorker._getServer(server, { addressType: 'udp4', port: 53 }, callback)
    expect(nodesOwn).toHaveBeenCalledExactlyOnceWith(server, { addressType: 'udp4', port: 53 }, callback)
    expect(news()).toEqual([])
  })

  test('gets a handle that says where it listens', () => {
    const { bound } = setUp()
    const server = new FakeServer().listen({ port: 0 })
    bound({ sockname: { address: '::', port: 4711 } })
    const name = {}
    server.handle?.getsockname?.(name)
    expect(name).toEqual({ address: '::', port: 4711 })
    server.handle?.close()
  })

  test('is told why it cannot', () => {
    const { bound, news } = setUp()
    const server = new FakeServer().listen({ port: 80 })
    bound({ errno: -constants.errno.EACCES, listener: undefined, path: undefined })
    expect(server.errno).toBe(-constants.errno.EACCES)
    news()
    // Its number is free again.
    new FakeServer().listen({ port: 80 })
    expect(news()).toMatchObject([{ index: 0 }])
  })

  test('is told that descriptors ran out when the shared socket did not come along', () => {
    const { bound } = setUp()
    const server = new FakeServer().listen({ port: 80 })
    bound({ path: 'shared' })
    expect(server.errno).toBe(-constants.errno.EMFILE)
  })

  test('tells the primary when it is closed, and is handed nothing any more', () => {
    const { listening, news, hand } = setUp()
    const server = listening()
    server.handle?.close()
    expect(news()).toEqual([{ kind: 'unlisten', listener: 7 }])
    const client = new FakeClient()
    hand(1, client)
    expect(news()).toEqual([{ kind: 'refused', id: 1, reason: 'closed' }])
    expect(client.closed).toBe(1)
  })

  test('shares what the first of all workers brought, and its own when it is the first', () => {
    const { bound, news } = setUp()
    const server = Object.assign(new FakeServer(), {
      _getServerData: () => 'own keys',
      _setServerData: vi.fn(),
    })
    server.listen({ port: 443 })
    expect(news()).toMatchObject([{ data: 'own keys' }])
    bound({ data: 'keys of the first' })
    expect(server._setServerData).toHaveBeenCalledExactlyOnceWith('keys of the first')
    server.handle?.close()
  })

  test('counts among those on port 0 until it is closed', () => {
    const { bound, news } = setUp()
    const [first, second] = [new FakeServer().listen({ port: 0 }), new FakeServer().listen({ port: 0 })]
    new FakeServer().listen({ port: 0, address: '127.0.0.1' })
    const indexes = (): number[] => news().flatMap((frame) => (frame.kind === 'listen' ? [frame.index] : []))
    expect(indexes()).toEqual([0, 1, 0])
    bound({ ref: 1, listener: 7 })
    bound({ ref: 2, listener: 8 })
    first.handle?.close()
    new FakeServer().listen({ port: 0 })
    expect(indexes()).toEqual([2])
    bound({ ref: 4, listener: 9, errno: -1 })
    second.handle?.close()
    new FakeServer().listen({ port: 0 })
    expect(indexes()).toEqual([0])
  })
})

describe('a connection that is handed over', () => {
  test('is acknowledged first, and given to the server when that is in the pipe', () => {
    const { listening, news, hand, write } = setUp()
    const server = listening()
    hand(1)
    expect(news()).toEqual([{ kind: 'taken', id: 1 }])
    expect(server._connections).toBe(0)
    write()
    expect(server._connections).toBe(1)
    server.handle?.close()
  })

  test('is let go of when its acknowledgement cannot be written: the primary gives it to another', () => {
    const { listening, hand, write, expected } = setUp()
    const server = listening()
    server.maxConnections = 1
    const client = new FakeClient()
    hand(1, client)
    expect(expected()).toBe(1)
    write(new Error('the pipe is broken'))
    expect({ closed: client.closed, open: server._connections, expected: expected() }).toEqual({
      closed: 1,
      open: 0,
      expected: 0,
    })
    // Its room is free again.
    hand(2)
    write()
    expect(server._connections).toBe(1)
    server.handle?.close()
  })

  test('is refused by a server that has as many as it may have', () => {
    const { listening, news, hand } = setUp()
    const server = listening()
    server.maxConnections = 1
    server._connections = 1
    const client = new FakeClient()
    hand(1, client)
    expect(news()).toEqual([{ kind: 'refused', id: 1, reason: 'full' }])
    expect(client.closed).toBe(1)
    server.handle?.close()
  })

  test('counts from its acknowledgement on: node would drop what comes over `maxConnections`', () => {
    const { listening, news, hand, write } = setUp()
    const server = listening()
    server.maxConnections = 2
    for (const id of [1, 2, 3]) hand(id)
    expect(news()).toEqual([
      { kind: 'taken', id: 1 },
      { kind: 'taken', id: 2 },
      { kind: 'refused', id: 3, reason: 'full' },
    ])
    write()
    expect(server._connections).toBe(2)
    server.handle?.close()
  })

  test('is lost when it comes without its socket', () => {
    const { listening, news, hand } = setUp()
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const server = listening()
    hand(1, null)
    expect(news()).toMatchObject([
      { kind: 'live', room: 'full' },
      { kind: 'refused', id: 1, reason: 'lost' },
    ])
    server.handle?.close()
  })

  test('is not heard of again when the server has been closed in between', () => {
    const { listening, hand, write } = setUp()
    const server = listening()
    const client = new FakeClient()
    hand(1, client)
    server.handle?.close()
    const handle = server.handle!
    handle.onconnection = vi.fn()
    write()
    // Node's own word to a server that closes: what it has accepted it serves.
    expect(handle.onconnection).toHaveBeenCalledOnce()
  })
})

describe('a connection that got lost on its way', () => {
  test('is refused when the primary asks for it, and no other', () => {
    const { path, listening, news, hand } = setUp()
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const server = listening()
    hand(1)
    hand(3)
    news()
    path.receive({ kind: 'awaited', ids: [1, 2, 3, 4], bounds: [] }, undefined)
    expect(news()).toEqual([
      { kind: 'live', listener: 7, live: 0, room: 'full', exhausted: 1 },
      { kind: 'refused', id: 2, reason: 'lost' },
      { kind: 'refused', id: 4, reason: 'lost' },
    ])
    server.handle?.close()
  })

  test('is none when all have come', () => {
    const { path, listening, news, hand } = setUp({ handoffs: 2 })
    const server = listening()
    for (const id of [1, 2, 3, 4]) hand(id)
    news()
    path.receive({ kind: 'awaited', ids: [3, 4], bounds: [] }, undefined)
    expect(news()).toEqual([])
    server.handle?.close()
  })
})
