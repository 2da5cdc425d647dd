import fc from 'fast-check'
import { assert, describe, expect, test } from 'vitest'
import type { StickyBy } from '../../../src/protocol/frames.js'
import { drawKey, stickyKey } from '../../../src/runtime/connections/sticky-key.js'
import { rendezvous } from '../../../src/runtime/placement/rendezvous.js'

const request = (target: string, headers: Record<string, string> = {}) => ({
  target,
  header: (name: string) => new Map(Object.entries(headers)).get(name),
})

describe('by cookie', () => {
  test.each<[string | undefined, string | undefined]>([
    [undefined, undefined],
    ['', undefined],
    ['sid=1', '1'],
    ['other=0; sid=1; more=2', '1'],
    ['other=0;sid=1;more=2', '1'],
    [' sid = 1 ', '1'],
    ['sid="1 2"', '1 2'],
    ['sid="', '"'],
    ['sid=""', undefined],
    ['sid=', undefined],
    ['sid', undefined],
    ['sid=1; sid=2', '1'],
    ['sid=a=b==', 'a=b=='],
    ['sid=s%3A1.x', 's%3A1.x'],
    ['Sid=1', undefined],
    ['xsid=1; sidx=2', undefined],
    ['sid; sid=1', '1'],
    [';;; sid=1', '1'],
  ])('%j: %j', (cookie, key) => {
    expect(stickyKey({ cookie: 'sid' }, request('/', cookie === undefined ? {} : { cookie }))).toBe(key)
  })
})

describe('by header', () => {
  test.each<[Record<string, string>, string | undefined]>([
    [{}, undefined],
    [{ 'x-user': 'ann' }, 'ann'],
    [{ 'x-user': ' ann ' }, 'ann'],
    [{ 'x-user': 'ann, bob' }, 'ann, bob'],
    [{ 'x-user': '' }, undefined],
    [{ 'x-user': '  ' }, undefined],
  ])('%j: %j', (headers, key) => {
    expect(stickyKey({ header: 'X-User' }, request('/', headers))).toBe(key)
  })
})

describe('by query', () => {
  test.each<[string, string | undefined]>([
    ['/', undefined],
    ['/?', undefined],
    ['/?sid=1', '1'],
    ['/a/b?other=0&sid=1&more=2', '1'],
    ['/?sid=1&sid=2', '1'],
    ['/?sid', undefined],
    ['/?sid=', undefined],
    ['/?sid=a=b', 'a=b'],
    ['/?sid=a+b%20c', 'a b c'],
    ['/?sid=%2B', '+'],
    ['/?sid=%C3%A4', 'ä'],
    ['/?sid=%zz%', '%zz%'],
    ['/?sid=%E4%20', '%E4%20'],
    ['/?sid=%E4+%20', '%E4  '],
    ['/?s%69d=1', '1'],
    ['/?x=1?sid=2', undefined],
    ['/?sid=1#sid=2', '1'],
    ['/#?sid=1', undefined],
    ['/sid=1', undefined],
    ['http://a/b?sid=1', '1'],
    ['*', undefined],
    ['', undefined],
  ])('%j: %j', (target, key) => {
    expect(stickyKey({ query: 'sid' }, request(target))).toBe(key)
  })

  test('reads what URLSearchParams has written', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), fc.string({ minLength: 1 }), (value, name) => {
        const query = new URLSearchParams([
          ['first', '1'],
          [name, value],
        ])
        fc.pre(name !== 'first')
        assert.equal(stickyKey({ query: name }, request(`/?${query}`)), value)
      }),
    )
  })
})

test('any request is read without an error', () => {
  const by: fc.Arbitrary<StickyBy> = fc.constantFrom({ cookie: 'a' }, { header: 'a' }, { query: 'a' })
  const some = fc.string({ unit: fc.constantFrom('a', '=', ';', '"', '%', '4', '1', '&', '?', '+', '#', ' ') })
  fc.assert(
    fc.property(by, some, (by, text) => {
      assert.notEqual(stickyKey(by, request(text, { cookie: text, a: text })), '')
    }),
  )
})

describe('a key that is drawn', () => {
  /** Counts up, as a source of keys that a test can foresee. */
  const counter = () => {
    let drawn = 0
    return { next: () => `key ${++drawn}`, drawn: () => drawn }
  }

  test('leads to the worker that it was drawn for', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 32 }),
        fc.nat(),
        fc.nat(),
        (ids, index, salt) => {
          const id = ids[index % ids.length]!
          const { next } = counter()
          assert.equal(
            rendezvous(
              drawKey(id, ids, () => `${salt} ${next()}`),
              ids,
            ),
            id,
          )
        },
      ),
    )
  })

  test('is the first that leads there', () => {
    const keys = counter()
    const key = drawKey(3, [1, 2, 3, 4], keys.next)
    expect(key).toBe(`key ${keys.drawn()}`)
    for (let n = 1; n < keys.drawn(); n++) expect(rendezvous(`key ${n}`, [1, 2, 3, 4])).not.toBe(3)
  })

  test('is just any where the worker is not among the others', () => {
    const keys = counter()
    expect(drawKey(5, [1, 2], keys.next)).toBe('key 1')
    expect(drawKey(5, [], keys.next)).toBe('key 2')
  })

  test('is given up where the source has only one', () => {
    const ids = [1, 2, 3, 4]
    const elsewhere = ids.find((id) => id !== rendezvous('same', ids))!
    expect(drawKey(elsewhere, ids, () => 'same')).toBe('same')
  })
})
