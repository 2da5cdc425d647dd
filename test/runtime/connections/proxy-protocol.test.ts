import fc from 'fast-check'
import { assert, describe, expect, test } from 'vitest'
import { readProxyHeader } from '../../../src/runtime/connections/proxy-protocol.js'
import { normaliseAddress } from '../../../src/runtime/placement/ip-address.js'

const text = (line: string): Uint8Array => Buffer.from(line, 'latin1')

const SIGNATURE = '0d0a0d0a000d0a515549540a'

/** A header of version 2; `announced` is the length that it gives, where that is not the length of what follows. */
function v2(command: number, family: number, block: Uint8Array, announced = block.length): Uint8Array {
  const length = [announced >> 8, announced & 255]
  return Buffer.concat([Buffer.from(SIGNATURE, 'hex'), Buffer.from([command, family, ...length]), block])
}

const hex = (digits: string): Uint8Array => Buffer.from(digits.replaceAll(' ', ''), 'hex')

const IPV4_BLOCK = hex('c0000201 c6336402 dc04 01bb')
const IPV6_BLOCK = hex('20010db8 00000000 00000000 00000001 20010db8 00000000 00000000 00000002 dc04 01bb')
const MAPPED_BLOCK = hex('00000000 00000000 0000ffff c0000201 00000000 00000000 0000ffff c6336402 dc04 01bb')
const TLV = hex('02 0003 666f6f')

const FROM_IPV4 = { address: '192.0.2.1', port: 56_324, family: 'IPv4' }
const FROM_IPV6 = { address: '2001:db8::1', port: 56_324, family: 'IPv6' }

const good: [string, Uint8Array, object | undefined][] = [
  ['TCP4', text('PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n'), FROM_IPV4],
  ['TCP6', text('PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n'), FROM_IPV6],
  ['TCP6 in capitals', text('PROXY TCP6 2001:DB8:0:0::1 2001:DB8::2 56324 443\r\n'), FROM_IPV6],
  ['TCP6 from a dual-stack proxy', text('PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:6402 56324 443\r\n'), FROM_IPV4],
  [
    'the longest TCP4',
    text('PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n'),
    { address: '255.255.255.255', port: 65_535, family: 'IPv4' },
  ],
  ['port 0', text('PROXY TCP4 192.0.2.1 198.51.100.2 0 0\r\n'), { ...FROM_IPV4, port: 0 }],
  ['UNKNOWN', text('PROXY UNKNOWN\r\n'), undefined],
  ['UNKNOWN with addresses', text('PROXY UNKNOWN 2001:db8::1 2001:db8::2 56324 443\r\n'), undefined],
  ['UNKNOWN with anything', text('PROXY UNKNOWN  \xff\0 x\r\n'), undefined],
  ['the longest UNKNOWN', text(`PROXY UNKNOWN ${'f'.repeat(91)}\r\n`), undefined],
  ['version 2, TCP over IPv4', v2(0x21, 0x11, IPV4_BLOCK), FROM_IPV4],
  ['version 2, TCP over IPv6', v2(0x21, 0x21, IPV6_BLOCK), FROM_IPV6],
  ['version 2, mapped addresses', v2(0x21, 0x21, MAPPED_BLOCK), FROM_IPV4],
  ['version 2 with an extension', v2(0x21, 0x11, Buffer.concat([IPV4_BLOCK, TLV])), FROM_IPV4],
  ['version 2 with bytes that make no extension', v2(0x21, 0x11, Buffer.concat([IPV4_BLOCK, hex('ff')])), FROM_IPV4],
  ['version 2, LOCAL', v2(0x20, 0x00, hex('')), undefined],
  ['version 2, LOCAL with addresses', v2(0x20, 0x11, IPV4_BLOCK), undefined],
  ['version 2, LOCAL with a family that there is not', v2(0x20, 0xff, TLV), undefined],
  ['version 2, unspecified', v2(0x21, 0x00, TLV), undefined],
  ['version 2, UDP', v2(0x21, 0x12, IPV4_BLOCK), undefined],
  ['version 2, unix stream', v2(0x21, 0x31, new Uint8Array(216)), undefined],
  ['version 2, as long as it may be', v2(0x21, 0x11, Buffer.concat([IPV4_BLOCK, new Uint8Array(4068)])), FROM_IPV4],
]

describe('a good header', () => {
  test.each(good)('%s', (_, header, source) => {
    const expected = { state: 'done', length: header.length, ...(source === undefined ? {} : { source }) }
    expect(readProxyHeader(header)).toEqual(expected)
  })

  test.each(good)('%s, at whatever byte it is split', (_, header) => {
    for (let length = 0; length < header.length; length++) {
      assert.deepEqual(readProxyHeader(header.subarray(0, length)), { state: 'more' }, `after ${length} bytes`)
    }
  })

  test.each(good)('%s, with a request behind it', (_, header) => {
    const alone = readProxyHeader(header)
    for (const request of ['G', 'GET / HTTP/1.1\r\n\r\n', '\r\n\0']) {
      expect(readProxyHeader(Buffer.concat([header, text(request)]))).toEqual(alone)
    }
  })

  test.each(good)('%s, somewhere in a larger buffer', (_, header) => {
    const larger = Buffer.concat([text('before'), header, text('behind')])
    expect(readProxyHeader(larger.subarray(6, 6 + header.length))).toEqual(readProxyHeader(header))
  })
})

describe('a wrong header', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['a request', text('GET / HTTP/1.1\r\n\r\n'), /does not begin with a PROXY header/],
    ['one byte that begins nothing', text('G'), /does not begin/],
    ['a TLS hello', hex('16 0301'), /does not begin/],
    ['a method that begins alike', text('PROPFIND'), /does not begin/],
    ['two spaces', text('PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n'), /protocol/],
    ['another protocol', text('PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n'), /neither TCP4, TCP6 nor UNKNOWN/],
    ['no protocol', text('PROXY \r\n'), /neither TCP4, TCP6 nor UNKNOWN/],
    ['UNKNOWN run on', text('PROXY UNKNOWNS\r\n'), /neither TCP4, TCP6 nor UNKNOWN/],
    ['IPv6 as TCP4', text('PROXY TCP4 ::1 ::1 1 2\r\n'), /not of TCP4/],
    ['IPv4 as TCP6', text('PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n'), /not of TCP6/],
    ['a zone', text('PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n'), /not of TCP6/],
    ['a leading zero', text('PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n'), /not of TCP4/],
    ['a name', text('PROXY TCP4 localhost 198.51.100.2 1 2\r\n'), /not of TCP4/],
    ['a wrong destination', text('PROXY TCP4 192.0.2.1 198.51.100 1 2\r\n'), /not of TCP4/],
    ['a missing port', text('PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n'), /ports/],
    ['a port too high', text('PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n'), /ports/],
    ['a port with a leading zero', text('PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n'), /ports/],
    ['a negative port', text('PROXY TCP4 192.0.2.1 198.51.100.2 -1 2\r\n'), /ports/],
    ['one field more', text('PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n'), /ports/],
    ['a space at the end', text('PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n'), /ports/],
    ['LF alone', text('PROXY UNKNOWN\n'), /CR LF/],
    ['CR alone', text('PROXY UNKNOWN\r\r\n'), /CR LF/],
    ['a line too long by one', text(`PROXY UNKNOWN ${'f'.repeat(92)}\r\n`), /CR LF/],
    ['a line without end', text(`PROXY UNKNOWN ${'f'.repeat(93)}`), /longer than 107/],
    ['version 1 in version 2', v2(0x11, 0x11, IPV4_BLOCK), /version/],
    ['version 3', v2(0x31, 0x11, IPV4_BLOCK), /version/],
    ['a command that there is not', v2(0x22, 0x11, IPV4_BLOCK), /command/],
    ['a family that there is not', v2(0x21, 0x41, IPV4_BLOCK), /family/],
    ['a protocol that there is not', v2(0x21, 0x13, IPV4_BLOCK), /family/],
    ['IPv4 addresses cut short', v2(0x21, 0x11, IPV4_BLOCK.subarray(1)), /cut short/],
    ['IPv6 addresses cut short', v2(0x21, 0x21, IPV4_BLOCK), /cut short/],
    ['more than anybody sends', v2(0x21, 0x11, IPV4_BLOCK, 4081), /longer than 4096/],
    ['a signature with one byte wrong', hex('0d0a0d0a000d0a515549540b'), /does not begin/],
  ])('%s', (_, header, reason) => {
    expect(readProxyHeader(header)).toEqual({ state: 'invalid', reason: expect.stringMatching(reason) })
  })

  test('is known before the addresses have come', () => {
    expect(readProxyHeader(hex(`${SIGNATURE}31`)).state).toBe('invalid')
    expect(readProxyHeader(hex(`${SIGNATURE}21 11 ffff`)).state).toBe('invalid')
  })
})

describe('any header', () => {
  const port = fc.nat({ max: 65_535 })
  const address = fc.oneof(
    fc.tuple(fc.constant('TCP4'), fc.ipV4(), fc.ipV4()),
    fc.tuple(fc.constant('TCP6'), fc.ipV6(), fc.ipV6()),
  )

  test('of version 1 gives the source that was written into it', () => {
    fc.assert(
      fc.property(address, port, port, ([protocol, from, to], fromPort, toPort) => {
        const read = readProxyHeader(text(`PROXY ${protocol} ${from} ${to} ${fromPort} ${toPort}\r\n`))
        assert(read.state === 'done')
        assert.equal(read.source?.address, normaliseAddress(from))
        assert.equal(read.source?.port, fromPort)
      }),
    )
  })

  test('of version 2 gives the source that was written into it', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
    fc.assert(
      fc.property(bytes(32), port, fc.uint8Array({ maxLength: 100 }), (addresses, fromPort, extensions) => {
        const ports = [fromPort >> 8, fromPort & 255, 0, 80]
        const header = v2(0x21, 0x21, Buffer.concat([addresses, Buffer.from(ports), extensions]))
        const written = Buffer.from(addresses.subarray(0, 16)).toString('hex').match(/.{4}/g)!.join(':')
        const read = readProxyHeader(header)
        assert(read.state === 'done')
        assert.equal(read.length, header.length)
        assert.equal(read.source?.address, normaliseAddress(written))
        assert.equal(read.source?.port, fromPort)
      }),
    )
  })

  test('never throws, and never changes its mind when more comes', () => {
    const start = fc.constantFrom(text(''), text('PROXY '), text('PROXY TCP4 '), hex(SIGNATURE), hex(`${SIGNATURE}21`))
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 140 }), (first, rest) => {
        const bytes = Buffer.concat([first, rest])
        let last = readProxyHeader(bytes.subarray(0, 0))
        for (let length = 1; length <= bytes.length; length++) {
          const read = readProxyHeader(bytes.subarray(0, length))
          if (last.state === 'done') assert.deepEqual(read, last)
          if (last.state === 'invalid') assert.equal(read.state, 'invalid')
          if (read.state === 'done') assert.isAtMost(read.length, length)
          last = read
        }
      }),
    )
  })
})
