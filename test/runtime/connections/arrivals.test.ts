import { assert, describe, expect, test } from 'vitest'
import type { Speaks } from '../../../src/protocol/frames.js'
import { type Arrival, Arrivals } from '../../../src/runtime/connections/arrivals.js'
import { type Balance, readBalance } from '../../../src/runtime/connections/balance.js'
import { Listener } from '../../../src/runtime/connections/listener.js'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from '../../../src/runtime/limits.js'
import { FakeClock } from '../../support/fake-clock.js'
import { FakeConnection, FakeListening, FakeSockets } from '../../support/fake-sockets.js'

const PEEK = 256

function listenerOf(balance: Balance, speaks: Speaks = 'http'): Listener {
  return new Listener({
    id: 1,
    key: '80',
    name: '80',
    plan: readBalance(balance)('80'),
    speaks,
    socket: new FakeListening({ kind: 'listen', ref: 1, index: 0, speaks }, true, {
      accepted: () => {},
      failed: () => {},
    }),
    data: null,
    shared: undefined,
  })
}

function setUp(balance: Balance, { speaks, peek = PEEK }: { speaks?: Speaks; peek?: number } = {}) {
  const clock = new FakeClock()
  const arrived: Arrival[] = []
  const arrivals = new Arrivals({
    clock,
    limits: { ...DEFAULT_LIMITS, peek },
    timeouts: DEFAULT_TIMEOUTS,
    sockets: new FakeSockets(),
    arrived: (arrival) => void arrived.push(arrival),
    turnAway: (_, connection) => connection.close(),
  })
  const listener = listenerOf(balance, speaks)
  const connect = (connection = new FakeConnection()): FakeConnection => {
    arrivals.add(listener, connection)
    return connection
  }
  /** What became of the connections since this was asked last: who they are from, and the bytes that go with them. */
  const news = (): object[] =>
    arrived.splice(0).map(({ client, head, peer }) => ({
      ...(client.key === undefined ? {} : { key: client.key }),
      from: client.remoteAddress,
      ...(head === undefined ? {} : { head: Buffer.from(head).toString('latin1') }),
      ...(peer === undefined ? {} : { peer }),
    }))
  return { arrivals, arrived, clock, listener, connect, news }
}

const STICKY = { cookie: 'sid' } as const
const HEAD = 'POST /a HTTP/1.1\r\nHost: h\r\nCookie: sid=abc\r\nContent-Length: 5\r\n\r\n'
const status = (text: string | undefined): string | undefined => text?.split('\r\n')[0]

describe('a connection of which no byte is needed', () => {
  test.each(['random', 'ip-hash', { policy: 'round-robin', accept: 'primary' }, () => 1] as Balance[])(
    'arrives at once, and nothing is read from it: %s',
    (balance) => {
      const { arrivals, arrived, clock, connect, news } = setUp(balance)
      const connection = connect()
      const { client } = arrived[0]!
      expect(news()).toEqual([{ from: '192.0.2.1' }])
      expect(client).toMatchObject({ remotePort: 4711, localAddress: '198.51.100.1', localPort: 80 })
      expect([connection.reader, arrivals.size, clock.armed]).toEqual([undefined, 0, 0])
    },
  )

  test('asks the system for addresses when a policy does, and not before', () => {
    const { connect, arrived } = setUp('random')
    let asked = 0
    const connection = new FakeConnection()
    Object.defineProperty(connection, 'remote', { get: () => void asked++ })
    connect(connection)
    expect(asked).toBe(0)
    expect(arrived[0]?.client.remoteAddress).toBeUndefined()
    expect(asked).toBe(1)
  })
})

describe('a connection with a sticky policy', () => {
  test('arrives with its key and every byte that was read, wherever its head is split', () => {
    const text = `${HEAD}hello`
    for (let split = 1; split < text.length; split++) {
      const { arrivals, clock, connect, news } = setUp(STICKY)
      const connection = connect()
      const [first, second] = [text.slice(0, split), text.slice(split)]
      const readsOn = connection.send(first)
      assert.equal(readsOn, split < HEAD.length, `split at ${split}`)
      if (readsOn) {
        assert.deepEqual(news(), [])
        assert.equal(arrivals.size, 1)
        assert.isFalse(connection.send(second))
      }
      assert.deepEqual(news(), [{ key: 'abc', from: '192.0.2.1', head: readsOn ? text : first }])
      assert.deepEqual([arrivals.size, clock.armed, connection.ends], [0, 0, []])
    }
  })

  test('may bring its head byte by byte', () => {
    const { connect, news } = setUp(STICKY)
    const connection = connect()
    for (const letter of HEAD.slice(0, -1)) assert.isTrue(connection.send(letter))
    assert.isFalse(connection.send('\n'))
    expect(news()).toEqual([{ key: 'abc', from: '192.0.2.1', head: HEAD }])
  })

  test.each([
    ['a cookie', { cookie: 'sid' }, 'abc'],
    ['a header', { header: 'HOST' }, 'h'],
    ['a parameter', { query: 'q' }, 'x y'],
    ['a cookie that it has not', { cookie: 'other' }, undefined],
  ] as const)('goes by %s', (_, balance, key) => {
    const { connect, arrived } = setUp(balance)
    connect().send('GET /?q=x+y HTTP/1.1\r\nHost: h\r\nCookie: sid=abc\r\n\r\n')
    expect(arrived).toHaveLength(1)
    expect(arrived[0]?.client.key).toBe(key)
  })

  test('arrives without a key when it speaks something else: the worker will tell it', () => {
    const { connect, news } = setUp(STICKY)
    connect().send('\x16\x03\x01\x02\0')
    expect(news()).toEqual([{ from: '192.0.2.1', head: '\x16\x03\x01\x02\0' }])
  })

  test('is told 431 when its head is over the limit', () => {
    const { arrivals, clock, connect, news } = setUp(STICKY, { peek: HEAD.length - 1 })
    const connection = connect()
    connection.send(HEAD.slice(0, -1))
    expect(connection.ends.map(status)).toEqual(['HTTP/1.1 431 Request Header Fields Too Large'])
    expect(news()).toEqual([])
    expect(arrivals).toMatchObject({ size: 0, tooLarge: 1 })
    expect(clock.armed).toBe(0)
  })

  test('is told 431 also when a head over the limit comes whole', () => {
    const { arrivals, connect, news } = setUp(STICKY, { peek: HEAD.length - 1 })
    const connection = connect()
    connection.send(HEAD)
    expect(connection.ends.map(status)).toEqual(['HTTP/1.1 431 Request Header Fields Too Large'])
    expect([news(), arrivals.tooLarge]).toEqual([[], 1])
  })

  test('may have a head of exactly the limit, and any body', () => {
    const { connect, news } = setUp(STICKY, { peek: HEAD.length })
    connect().send(`${HEAD}${'x'.repeat(10_000)}`)
    const connection = connect()
    connection.send(HEAD.slice(0, -1))
    connection.send('\n')
    expect(news()).toHaveLength(2)
  })

  test('is told 408 when its head does not come in time, however busily it sends', async () => {
    const { arrivals, clock, connect, news } = setUp(STICKY)
    const connection = connect()
    for (let seconds = 0; seconds < 9; seconds++) {
      connection.send('G')
      await clock.advance(1_000)
    }
    expect(connection.ends).toEqual([])
    await clock.advance(1_000)
    expect(connection.ends.map(status)).toEqual(['HTTP/1.1 408 Request Timeout'])
    expect(arrivals).toMatchObject({ size: 0, timedOut: 1, tooLarge: 0 })
    expect(news()).toEqual([])
  })

  test('is read from no more after that', async () => {
    const { clock, connect } = setUp(STICKY)
    const connection = connect()
    expect(connection.reader).toBeDefined()
    await clock.advance(10_000)
    expect([connection.reader, clock.armed]).toEqual([undefined, 0])
  })

  test('is closed when the client goes before its head is there', () => {
    const { arrivals, clock, connect, news } = setUp(STICKY)
    const connection = connect()
    connection.send('GET')
    connection.reader?.ended()
    expect(connection.ends).toEqual([''])
    expect([news(), arrivals.size, clock.armed, arrivals.timedOut]).toEqual([[], 0, 0, 0])
  })
})

describe('a connection that begins with a PROXY header', () => {
  const V1 = 'PROXY TCP4 203.0.113.9 198.51.100.1 5000 80\r\n'
  const V2 = Buffer.from([
    ...Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
    ...[0x21, 0x11, 0, 12, 203, 0, 113, 9, 198, 51, 100, 1, 0x13, 0x88, 0, 80],
  ]).toString('latin1')
  const PEER = { address: '203.0.113.9', port: 5000, family: 'IPv4' }

  test.each([
    ['version 1', V1],
    ['version 2', V2],
  ])('loses it, and is from whom it says, wherever it is split: %s', (_, header) => {
    const text = `${header}any bytes`
    for (let split = 1; split < text.length; split++) {
      const { connect, news } = setUp({ policy: 'ip-hash', proxyProtocol: true })
      const connection = connect()
      const readsOn = connection.send(text.slice(0, split))
      assert.equal(readsOn, split < header.length, `split at ${split}`)
      if (readsOn) assert.isFalse(connection.send(text.slice(split)))
      const rest = readsOn ? 'any bytes' : text.slice(header.length, split)
      assert.deepEqual(news(), [{ from: PEER.address, head: rest, peer: PEER }])
    }
  })

  test.each([
    ['version 1', V1],
    ['version 2', V2],
  ])('and goes on with a head, arrives with both read, wherever they are split: %s', (_, header) => {
    const text = `${header}${HEAD}hello`
    for (let first = 1; first < text.length; first++) {
      for (const second of [first + 1, header.length + 1, header.length + 20, text.length - 5]) {
        if (second <= first || second >= text.length) continue
        const { connect, news } = setUp({ ...STICKY, proxyProtocol: true })
        const connection = connect()
        const pieces = [text.slice(0, first), text.slice(first, second), text.slice(second)]
        let sent = ''
        for (const piece of pieces) {
          sent += piece
          if (!connection.send(piece)) break
        }
        assert.deepEqual(
          news(),
          [{ key: 'abc', from: PEER.address, head: sent.slice(header.length), peer: PEER }],
          `split at ${first} and ${second}`,
        )
      }
    }
  })

  test('tells the policy who the client is, and where it came in here', () => {
    const { connect, arrived } = setUp({ policy: 'ip-hash', proxyProtocol: true })
    connect().send(V1)
    expect(arrived[0]?.client).toMatchObject({
      remoteAddress: '203.0.113.9',
      remotePort: 5000,
      localAddress: '198.51.100.1',
      localPort: 80,
    })
  })

  test('may say nothing of the client: then it is from the proxy', () => {
    const { connect, news } = setUp({ policy: 'ip-hash', proxyProtocol: true })
    connect().send('PROXY UNKNOWN\r\nGET')
    expect(news()).toEqual([{ from: '192.0.2.1', head: 'GET' }])
  })

  test('does not count it among the bytes of the head', () => {
    const { connect, news } = setUp({ ...STICKY, proxyProtocol: true }, { peek: HEAD.length })
    connect().send(`${V1}${HEAD}`)
    expect(news()).toHaveLength(1)
  })

  test('is told 400 without one', () => {
    const { arrivals, connect, news } = setUp({ policy: 'ip-hash', proxyProtocol: true })
    const connection = connect()
    connection.send('GET / HTTP/1.1\r\n')
    expect(connection.ends.map(status)).toEqual(['HTTP/1.1 400 Bad Request'])
    expect(arrivals).toMatchObject({ size: 0, malformed: 1 })
    expect(news()).toEqual([])
  })

  test('is just closed without one where no HTTP is spoken', () => {
    const { connect } = setUp({ policy: 'ip-hash', proxyProtocol: true }, { speaks: 'tls' })
    const connection = connect()
    connection.send('\x16\x03\x01')
    expect(connection.ends).toEqual([''])
  })

  test('is told 408 when it does not come in time', async () => {
    const { clock, connect } = setUp({ policy: 'ip-hash', proxyProtocol: true })
    const connection = connect()
    connection.send('PROXY')
    await clock.advance(10_000)
    expect(connection.ends.map(status)).toEqual(['HTTP/1.1 408 Request Timeout'])
  })
})

describe('a connection whose address a proxy writes into X-Forwarded-For', () => {
  const FORWARDED = { policy: 'ip-hash', forwardedFor: ['192.0.2.0/24'] } as const
  const request = (header: string): string => `GET / HTTP/1.1\r\n${header}\r\n\r\n`

  test('is from whom a trusted proxy says', () => {
    const { connect, news } = setUp(FORWARDED)
    connect().send(request('X-Forwarded-For: 10.1.1.1, 203.0.113.9'))
    expect(news()).toMatchObject([{ from: '203.0.113.9' }])
  })

  test('is from its own address without such a header, and from one that is not trusted', () => {
    const { connect, news } = setUp(FORWARDED)
    connect().send(request('Host: h'))
    const foreign = new FakeConnection()
    foreign.remote = { address: '198.51.100.7', port: 1 }
    connect(foreign).send(request('X-Forwarded-For: 203.0.113.9'))
    expect(news()).toMatchObject([{ from: '192.0.2.1' }, { from: '198.51.100.7' }])
  })

  test('may come through a PROXY header and a proxy behind it', () => {
    const { connect, news } = setUp({ ...FORWARDED, proxyProtocol: true })
    connect().send(
      `PROXY TCP4 192.0.2.77 198.51.100.1 5000 80\r\n${request('X-Forwarded-For: 203.0.113.9, 192.0.2.5')}`,
    )
    expect(news()).toMatchObject([{ from: '203.0.113.9', peer: { address: '192.0.2.77' } }])
  })

  test('has none over a unix socket', () => {
    const { connect, news } = setUp(FORWARDED)
    const connection = new FakeConnection()
    connection.remote = undefined
    connect(connection).send(request('X-Forwarded-For: 203.0.113.9'))
    expect(news()).toMatchObject([{ from: undefined }])
  })
})

describe('the end', () => {
  test('tells those that are being read from, of one listener or of all', () => {
    const { arrivals, clock, listener, connect, news } = setUp(STICKY)
    const mine = [connect(), connect()]
    const other = new FakeConnection()
    arrivals.add(listenerOf(STICKY), other)
    arrivals.end('bye', listener)
    expect([...mine, other].map(({ ends }) => ends)).toEqual([['bye'], ['bye'], []])
    arrivals.end('bye')
    expect(other.ends).toEqual(['bye'])
    expect([news(), arrivals.size, clock.armed]).toEqual([[], 0, 0])
  })
})
