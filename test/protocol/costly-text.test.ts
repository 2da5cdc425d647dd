import { describe, expect, test } from 'vitest'
import { costOfAddress, costOfPattern } from '../../src/protocol/costly-text.js'

describe('a regular expression', () => {
  test.each([/a/, /p{L}/, /[\0-\uffff]/i, /\\p/u, /p/u, /\\\\p/u, /\u{1F600}/u, /(?<p>\u{70})/u])(
    '%s is made',
    (pattern) => {
      expect(costOfPattern(String(pattern))).toBeUndefined()
    },
  )

  test.each([/\p{L}/u, /\P{L}/u, /[a\p{L}]/iu, /a\\\p{L}/u, /\/\p{L}\//u])('%s is not, for its property', (pattern) => {
    expect(costOfPattern(String(pattern))).toMatch(/property/)
  })

  test('with the flag v is not', () => {
    expect(costOfPattern('/a/v')).toMatch(/flag v/)
    expect(costOfPattern('/v/g')).toBeUndefined()
  })
})

describe('a URL as it is written', () => {
  test.each([
    'https://user:pw@example.com:8443/a%20b?c=d#e',
    `https://${'user'.repeat(200)}@example.com/`,
    `https://example.com/${'path/'.repeat(500)}?${'q'.repeat(500)}`,
    'https://[2001:db8::1]:99999/',
    'https://xn--fsq.example/',
    'file:///etc/hosts',
    'data:text/plain,a b',
    'mailto:somebody@example.com',
    `urn:${'n'.repeat(999)}`,
    'blob:https://example.com/1',
    'custom+scheme://any host',
  ])('%s is read', (href) => {
    expect(costOfAddress(href)).toBeUndefined()
  })

  test.each([new URL('https://\u4e2d\u6587.example/\u4e2d?\u4e2d#\u4e2d'), new URL('HTTP:\\\\a\t.example')])(
    '%s is read',
    (url) => {
      expect(costOfAddress(url.href)).toBeUndefined()
    },
  )

  test('is not, for a host that no name can be', () => {
    expect(costOfAddress(`https://${'a'.repeat(259)}/`)).toBeUndefined()
    expect(costOfAddress(`https://${'a'.repeat(260)}/`)).toMatch(/longer than 259/)
    expect(costOfAddress(`wss://x@y@${'a'.repeat(260)}/`)).toMatch(/longer than 259/)
  })
})
