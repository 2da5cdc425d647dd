import fc from 'fast-check'
import { assert, describe, expect, test } from 'vitest'
import { UsageError } from '../../../src/protocol/errors.js'
import { forwardedClient, trustList } from '../../../src/runtime/connections/client-address.js'

describe('the client behind proxies', () => {
  const trusted = trustList(['10.0.0.0/8', '2001:db8:aaaa::/48'])

  test.each<[string, string | undefined, string, string]>([
    ['is the peer, where the peer is no proxy', '192.0.2.9', '198.51.100.1', '198.51.100.1'],
    ['is the peer, where the proxy said nothing', undefined, '10.0.0.1', '10.0.0.1'],
    ['is the peer, where the proxy said nothing of use', '', '10.0.0.1', '10.0.0.1'],
    ['is whom the proxy named', '192.0.2.1', '10.0.0.1', '192.0.2.1'],
    ['is whom the proxy named, whatever the client had written', '203.0.113.9, 192.0.2.1', '10.0.0.1', '192.0.2.1'],
    ['is whom the first of two proxies named', '192.0.2.1, 10.0.0.7', '10.0.0.1', '192.0.2.1'],
    ['is the furthest, where all are trusted', '10.3.3.3, 10.2.2.2', '10.0.0.1', '10.3.3.3'],
    [
      'is looked for no further than something that is no address',
      '192.0.2.1, unknown, 10.0.0.7',
      '10.0.0.1',
      '10.0.0.7',
    ],
    ['is the peer, where the proxy wrote no address', '192.0.2.1, _hidden', '10.0.0.1', '10.0.0.1'],
    ['is found over empty entries', ', 192.0.2.1,, 10.0.0.7 ,', '10.0.0.1', '192.0.2.1'],
    ['may have a port', '192.0.2.1:4711', '10.0.0.1', '192.0.2.1'],
    ['may have IPv6', '2001:DB8::0:1', '10.0.0.1', '2001:db8::1'],
    ['may have IPv6 in brackets', '[2001:db8::1]', '10.0.0.1', '2001:db8::1'],
    ['may have IPv6 in brackets with a port', '[2001:db8::1]:4711', '10.0.0.1', '2001:db8::1'],
    ['may be in quotes', '"[2001:db8::1]:4711", "10.0.0.7"', '10.0.0.1', '2001:db8::1'],
    ['may be mapped into IPv6', '::ffff:192.0.2.1', '10.0.0.1', '192.0.2.1'],
    ['may be behind a peer mapped into IPv6', '192.0.2.1', '::ffff:10.0.0.1', '192.0.2.1'],
    ['may be behind an IPv6 proxy', '192.0.2.1', '2001:db8:aaaa::1', '192.0.2.1'],
    ['has no port that is no number', '192.0.2.1:http', '10.0.0.1', '10.0.0.1'],
    ['has no bracket left open', '[2001:db8::1', '10.0.0.1', '10.0.0.1'],
    ['cannot be told over a unix path', '192.0.2.1', '', ''],
  ])('%s', (_, header, peer, client) => {
    expect(forwardedClient(header, peer, trusted)).toBe(client)
  })

  test('is never what was written to the left of an address that is not trusted', () => {
    const entry = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string(), fc.constantFrom('10.0.0.2', 'unknown', ''))
    fc.assert(
      fc.property(fc.array(entry), fc.array(fc.constant('10.0.0.3')), (written, proxies) => {
        const header = [...written, '192.0.2.1', ...proxies].join(', ')
        assert.equal(forwardedClient(header, '10.0.0.1', trusted), '192.0.2.1')
      }),
    )
  })

  test('is found in any text without an error', () => {
    fc.assert(fc.property(fc.string(), fc.string(), (header, peer) => void forwardedClient(header, peer, () => true)))
  })
})

describe('the list of trusted proxies', () => {
  test.each<[string, string, boolean]>([
    ['10.0.0.1', '10.0.0.1', true],
    ['10.0.0.1', '10.0.0.2', false],
    ['10.0.0.1', '::ffff:10.0.0.1', true],
    ['10.0.0.1', '::ffff:a00:1', true],
    ['::ffff:10.0.0.1', '10.0.0.1', true],
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.20.30.40/8', '10.255.0.1', true],
    ['10.0.0.0/9', '10.128.0.0', false],
    ['0.0.0.0/0', '203.0.113.7', true],
    ['10.0.0.1/32', '10.0.0.1', true],
    ['10.0.0.1/32', '10.0.0.0', false],
    ['::ffff:10.0.0.0/104', '10.9.9.9', true],
    ['::ffff:10.0.0.0/104', '11.0.0.0', false],
    ['fd00::/8', 'fdff::1', true],
    ['fd00::/8', 'FDFF:0:0::1%eth0', true],
    ['fd00::/8', 'fe00::1', false],
    ['2001:db8::1', '2001:DB8:0:0::1', true],
    ['2001:db8::/33', '2001:db8:7fff::', true],
    ['2001:db8::/33', '2001:db8:8000::', false],
    ['fd00::/8', '', false],
    ['fd00::/8', 'unknown', false],
  ])('%s has %s: %s', (entry, address, has) => {
    expect(trustList([entry])(address)).toBe(has)
  })

  test('trusts nobody when it is empty', () => {
    expect(trustList([])('127.0.0.1')).toBe(false)
  })

  test('trusts what any of its entries has', () => {
    const trusted = trustList(['127.0.0.1', 'fd00::/8', '10.0.0.0/8'])
    expect(['127.0.0.1', 'fd00::1', '10.1.1.1', '192.0.2.1'].map(trusted)).toEqual([true, true, true, false])
  })

  test('has just those IPv4 addresses that share the prefix', () => {
    const bitsOf = (address: string) => address.split('.').reduce((all, byte) => all * 256 + Number(byte), 0)
    fc.assert(
      fc.property(fc.ipV4(), fc.nat({ max: 32 }), fc.ipV4(), (network, prefix, address) => {
        const size = 2 ** (32 - prefix)
        const inside = Math.floor(bitsOf(network) / size) === Math.floor(bitsOf(address) / size)
        assert.equal(trustList([`${network}/${prefix}`])(address), inside)
      }),
    )
  })

  test.each([
    '',
    'localhost',
    '10.0.0',
    '10.0.0.256',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/a',
    '10.0.0.0/8/8',
    ' 10.0.0.0/8',
    'fd00::/129',
    'fe80::1%eth0',
    '::ffff:10.0.0.0/95',
  ])('refuses %j', (entry) => {
    expect(() => trustList(['127.0.0.1', entry])).toThrow(
      new UsageError(
        `Expected \`forwardedFor[1]\` to be an IP address or a range such as "10.0.0.0/8" or "fd00::/8", got ${JSON.stringify(entry)}`,
      ),
    )
  })
})
