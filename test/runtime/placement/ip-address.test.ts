import { isIP, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { assert, expect, test } from 'vitest'
import { normaliseAddress } from '../../../src/runtime/placement/ip-address.js'

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:192.0.2.1', '192.0.2.1'],
  ['::ffff:c000:201', '192.0.2.1'],
  ['0:0:0:0:0:ffff:c000:0201', '192.0.2.1'],
  ['::ffff:192.0.2.1%eth0', '192.0.2.1'],
  ['::ffff:0:0', '0.0.0.0'],
  ['2001:DB8::1', '2001:db8::1'],
  ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['1::', '1::'],
  ['0:0:0:0:0:0:0:0', '::'],
  ['0::1', '::1'],
  ['::192.0.2.1', '::c000:201'],
  ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
  ['fe80::1%eth0', 'fe80::1'],
])('%s is %s', (text, normal) => {
  expect(normaliseAddress(text)).toBe(normal)
})

test.each([
  '',
  'unknown',
  '192.0.2.256',
  '192.0.2.1%eth0',
  ':',
  ':::',
  '1:::2',
  '1::2::3',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4::5:6:7:8',
  ':1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:',
  '12345::',
  'g::',
  '::1.2.3',
  '::1.2.3.04',
  '::1.2.3.256',
  '1.2.3.4::',
  '::1.2.3.4:5',
  '1:2:3:4:5:6:7:1.2.3.4',
  '[::1]',
  '::1 ',
  'fe80::1%',
])('%j is no address and stays as it is', (text) => {
  expect(normaliseAddress(text)).toBe(text)
})

/** Nearly an address, most of the time. */
const nearly = fc
  .array(fc.constantFrom('::', ':', '0', 'ff', 'FFFF', '00a1', '1.2.3.4', '.', '12345', 'g'), { maxLength: 18 })
  .map((pieces) => pieces.join(''))

test('takes for an address what node takes for one', () => {
  fc.assert(
    fc.property(fc.oneof(nearly, fc.ipV6(), fc.string()), (text) => {
      fc.pre(!text.includes('%'))
      const normal = normaliseAddress(text)
      if (!isIPv6(text)) assert.equal(normal, text)
      else assert.isTrue(isIP(normal) !== 0)
    }),
    { numRuns: 2_000 },
  )
})

test('all ways to write an address give one text, which is the URL standard’s', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const standard = new URL(`http://[${text}]`).hostname.slice(1, -1)
      const normal = normaliseAddress(text)
      assert.equal(normaliseAddress(standard), normal)
      assert.equal(normaliseAddress(text.toUpperCase()), normal)
      assert.equal(normaliseAddress(normal), normal)
      if (normal.includes(':')) assert.equal(normal, standard)
    }),
    { numRuns: 1_000 },
  )
})
