import { createServer, type IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { assert, describe, expect, test } from 'vitest'
import { type HeadReading, headerOf, readHead } from '../../../src/runtime/connections/http-head.js'

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')

const REQUEST = 'POST /a?b=c HTTP/1.1\r\nHost: example.org\r\nCookie: sid=1\r\nContent-Length: 4\r\n\r\n'

/** What was read, as plain data. */
function plain(reading: HeadReading): object {
  if (reading.state !== 'done') return reading
  const { length, head } = reading
  return { length, method: head.method, target: head.target, host: head.header('host'), cookie: head.header('cookie') }
}

const READ = { length: REQUEST.length, method: 'POST', target: '/a?b=c', host: 'example.org', cookie: 'sid=1' }

describe('a head', () => {
  test('gives method, target and headers', () => {
    expect(plain(readHead(bytes(REQUEST)))).toEqual(READ)
  })

  test('ends where the body begins', () => {
    expect(plain(readHead(bytes(`${REQUEST}\r\n\r\nbody`)))).toEqual(READ)
  })

  test('is read whatever the byte at which it is split', () => {
    for (let length = 0; length < REQUEST.length; length++) {
      assert.deepEqual(readHead(bytes(REQUEST.slice(0, length))), { state: 'more' }, `after ${length} bytes`)
      assert.deepEqual(plain(readHead(bytes(REQUEST), length)), READ, `from ${length}`)
    }
  })

  test('may come byte by byte', () => {
    for (let length = 1; length < REQUEST.length; length++) {
      assert.deepEqual(readHead(bytes(REQUEST.slice(0, length)), length - 1), { state: 'more' })
    }
    expect(plain(readHead(bytes(REQUEST), REQUEST.length - 1))).toEqual(READ)
  })

  test('may be somewhere in a larger buffer', () => {
    const larger = bytes(`before\r\n\r\n${REQUEST}behind`)
    expect(plain(readHead(larger.subarray(10, 10 + REQUEST.length)))).toEqual(READ)
  })

  test.each(['\r\n', '\n', '\r\n\r\n', '\r\n\n\r', '\n'.repeat(256)])('may come after %j', (blank) => {
    const all = blank + REQUEST
    for (let length = 0; length < all.length; length++) {
      assert.deepEqual(readHead(bytes(all.slice(0, length)), length - 1), { state: 'more' })
      assert.deepEqual(plain(readHead(bytes(all), length)), { ...READ, length: all.length })
    }
  })

  test('may have no headers', () => {
    expect(plain(readHead(bytes('GET / HTTP/1.0\r\n\r\n')))).toMatchObject({ length: 18, target: '/', host: undefined })
  })

  test('may end its lines with LF alone', () => {
    expect(plain(readHead(bytes('GET / HTTP/1.1\nHost: a\n\n')))).toMatchObject({ length: 24, host: 'a' })
  })

  test.each(['*', 'example.org:443', 'http://example.org/a?b', '//a', '/#a'])('may ask for %s', (target) => {
    expect(plain(readHead(bytes(`OPTIONS ${target} HTTP/1.1\r\n\r\n`)))).toMatchObject({ target })
  })

  test('leaves out lines that are no headers', () => {
    const head = 'GET / HTTP/1.1\r\nno header\r\n: none\r\nHost: a\r\n\r\n'
    expect(plain(readHead(bytes(head)))).toMatchObject({ length: head.length, host: 'a' })
  })
})

describe('headers', () => {
  const raw = ['Host', 'a', 'X-User', 'ann', 'COOKIE', 'a=1', 'x-user', 'bob', 'cookie', 'b=2', 'X-Empty', '']

  test.each<[string, string | undefined]>([
    ['host', 'a'],
    ['x-user', 'ann, bob'],
    ['cookie', 'a=1; b=2'],
    ['x-empty', ''],
    ['x-none', undefined],
    ['__proto__', undefined],
    ['constructor', undefined],
  ])('%s: %s', (name, value) => {
    expect(headerOf(raw, name)).toBe(value)
  })

  test('a value that is all blanks but for its ends takes no time', () => {
    const value = `a${' '.repeat(100_000)}b`
    const reading = readHead(bytes(`GET / HTTP/1.1\r\nX: ${value} \t\r\n\r\n`))
    assert(reading.state === 'done')
    expect(reading.head.header('x')).toBe(value)
  })
})

describe('what is foreign', () => {
  test.each<[string, string]>([
    ['a TLS hello', '\x16'],
    ['a TLS hello with more of it', '\x16\x03\x01\x02\0'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n'],
    ['HTTP/0.9', 'GET /\r\n'],
    ['HTTP/3', 'GET / HTTP/3.0\r\n'],
    ['a version that is none', 'GET / HTTP/1.1x\r\n'],
    ['a PROXY header of version 2', '\r\n\r\n\0'],
    ['a PROXY header of version 1', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'],
    ['SSH', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['Redis', '*1\r\n$4\r\nPING\r\n'],
    ['a space first', ' GET'],
    ['a byte of zero', '\0'],
    ['a byte beyond ASCII', 'G\xc4'],
    ['a control character in the target', 'GET /\x01'],
    ['a tab in the target', 'GET /\t'],
    ['a word without end', 'A'.repeat(33)],
    ['more empty lines than anybody sends', '\n'.repeat(257)],
    ['a request after more empty lines than anybody sends', `${'\n'.repeat(257)}GET / HTTP/1.1\r\n\r\n`],
  ])('%s', (_, text) => {
    expect(readHead(bytes(text))).toEqual({ state: 'foreign' })
    // Byte by byte it is seen no later.
    let length = 0
    while (length < text.length && readHead(bytes(text.slice(0, length + 1)), length).state === 'more') length++
    expect(length).toBeLessThan(text.length)
  })

  test('stays foreign when more comes, and a head stays a head', () => {
    const piece = fc.constantFrom(
      'GET',
      ' ',
      '/',
      'HTTP/1.1',
      '\r\n',
      '\n',
      '\r',
      'Host: a',
      'X:',
      'PRI',
      '\0',
      '\x16',
      '\xff',
    )
    const text = fc.oneof(
      fc.array(piece, { maxLength: 16 }).map((pieces) => pieces.join('')),
      fc.string(),
    )
    fc.assert(
      fc.property(text, (text) => {
        const all = bytes(text)
        let last: HeadReading = { state: 'more' }
        for (let length = 1; length <= all.length; length++) {
          const whole = readHead(all.subarray(0, length))
          // What is found does not hang on the pieces in which it came.
          if (last.state === 'more') {
            assert.deepEqual(plain(readHead(all.subarray(0, length), length - 1)), plain(whole))
          } else {
            assert.deepEqual(plain(whole), plain(last))
          }
          last = whole
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test('is found in any bytes without an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 300 }), (some, from) => {
        const reading = readHead(some, from)
        if (reading.state === 'done') assert.isAtMost(reading.length, some.length)
      }),
    )
  })
})

/** What node's parser makes of the bytes, or undefined where it refuses them. */
async function asNodeReads(text: string): Promise<IncomingMessage | undefined> {
  const server = createServer()
  const connection = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  const read = new Promise<IncomingMessage | undefined>((resolve) => {
    for (const event of ['request', 'connect', 'upgrade', 'checkContinue', 'checkExpectation'])
      server.on(event, resolve)
    server.on('clientError', () => resolve(undefined))
    connection.on('close', () => resolve(undefined))
  })
  server.emit('connection', connection)
  connection.push(bytes(text))
  connection.push(null)
  const request = await read
  connection.destroy()
  return request
}

describe('every head of HTTP/1 that node accepts', () => {
  /** The usual most of the time, or else all those parts together would hardly ever make a head. */
  const mostly = (usual: fc.Arbitrary<string>, ...odd: string[]) =>
    fc.oneof({ arbitrary: usual, weight: 12 }, { arbitrary: fc.constantFrom(...odd), weight: 1 })
  const joined = (...parts: fc.Arbitrary<string>[]) => fc.tuple(...parts).map((texts) => texts.join(''))

  const requestLine = joined(
    fc.constantFrom('', '\r\n', '\n', '\r'),
    mostly(fc.constantFrom('GET', 'POST', 'M-SEARCH', 'OPTIONS'), 'CONNECT', 'get', 'X'),
    mostly(fc.constant(' '), '  ', '\t'),
    mostly(fc.webPath(), '*', 'a:1', 'http://a/b?c#d', '/\xe4', '//', '/%zz'),
    mostly(fc.constant(' '), '  ', ''),
    mostly(fc.constantFrom('HTTP/1.1', 'HTTP/1.0'), 'HTTP/2.0', 'HTTP/1.12'),
    mostly(fc.constant('\r\n'), '\n'),
  )
  const values = fc.constantFrom('', 'a b', 'a=1; b="2"', '\xe4\xff', 'x'.repeat(500))
  const header = joined(
    mostly(fc.constantFrom('X-User', 'cookie', 'Cookie', 'x-user', 'Authorization', 'X_9!#', 'X-Long'), 'a b', ''),
    mostly(fc.constantFrom(':', ': ', ':\t '), ' :', ''),
    mostly(fc.oneof(fc.string(), values), 'a\rb', 'a\nb', 'a\r\n b'),
    fc.constantFrom('', ' ', '  ', '\t'),
    mostly(fc.constant('\r\n'), '\n', '\r\r\n'),
  )

  test('is read as node reads it', async () => {
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(requestLine, fc.array(header, { maxLength: 5 }), async (line, headers) => {
        const text = `${line}Host: a\r\n${headers.join('')}\r\n`
        const request = await asNodeReads(text)
        // Node also takes a line without a version, as HTTP/0.9 had it, and one that says 2.0: here those are foreign.
        if (request?.httpVersionMajor !== 1) return
        accepted++
        const reading = readHead(bytes(text))
        assert(reading.state === 'done', `${JSON.stringify(text)} is ${reading.state}`)
        assert.equal(reading.head.method, request.method)
        assert.equal(reading.head.target, request.url)
        for (const name of ['host', 'x-user', 'cookie', 'authorization', 'x_9!#', 'x-long']) {
          assert.equal(reading.head.header(name), headerOf(request.rawHeaders, name), name)
        }
      }),
      { numRuns: 1_000 },
    )
    // Or else it proves nothing.
    expect(accepted).toBeGreaterThan(100)
  })
})
