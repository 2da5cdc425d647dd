import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import superjson from 'superjson'
import { assert, describe, expect, test } from 'vitest'
import { PayloadError } from '../../src/protocol/errors.js'
import { DEFAULT_PAYLOAD_LIMIT, decodePayload, encodePayload } from '../../src/protocol/payload.js'

/*
 * What comes back is what was sent, or its loss is in the table of `src/protocol/README.md`, or it is refused: nothing else
 * happens to a value. The table is read from there, so that a row without a case here fails, and a case without a row too.
 */

const options = { limit: DEFAULT_PAYLOAD_LIMIT, root: 'value' }

function roundTrip(value: unknown): unknown {
  const text = encodePayload(value, { ...options, opaque: true })
  return decodePayload(text, 'value')
}

function isRefused(value: unknown): boolean {
  try {
    encodePayload(value, { ...options, opaque: true })
    return false
  } catch (error) {
    if (error instanceof PayloadError) return true
    throw error
  }
}

/** Each gives what was sent, and what arrives in its place. */
const losses: Record<string, () => readonly [sent: unknown, arrives: unknown]> = {
  'An object without a prototype': () => [
    Object.assign(Object.create(null), { a: 1, at: new Date(0) }),
    { a: 1, at: new Date(0) },
  ],
  'A getter': () => [
    {
      get a() {
        return new Date(0)
      },
    },
    { a: new Date(0) },
  ],
  'A property that is not enumerable, or whose key is a symbol': () => [
    Object.defineProperty({ at: new Date(0), [Symbol('x')]: () => {} }, 'b', { value: 1 }),
    { at: new Date(0) },
  ],
  'An object that is frozen or sealed': () => [Object.freeze({ a: 1n }), { a: 1n }],
  'A property of an array that is no element': () => [Object.assign([1n], { extra: 1 }), [1n]],
  'A property of a Map, a Set, a Date, a RegExp, a URL or a view': () => [
    Object.assign(new Map([[1, 2]]), { extra: 1 }),
    new Map([[1, 2]]),
  ],
  'A subclass of Array, Map, Set, Date, RegExp, URL or of a view': () => [
    new (class Ids extends Set<number> {})([1]),
    new Set([1]),
  ],
  '`lastIndex` of a RegExp': () => {
    const sent = /a/g
    sent.lastIndex = 3
    return [sent, /a/g]
  },
  'The class of an Error': () => {
    const sent = new RangeError('far', { cause: 1 })
    return [
      { sent: sent instanceof RangeError, name: sent.name },
      { sent: true, name: 'RangeError' },
    ]
  },
  'The errors of an AggregateError, and what else an Error hides': () => {
    const sent = new AggregateError([new Error('one')], 'many')
    return [Object.keys(roundTrip(sent) as object), []]
  },
  'The memory that views share, and its room to grow': () => {
    const memory = new ArrayBuffer(8)
    return [[new Uint8Array(memory, 2, 2)], [new Uint8Array(2)]]
  },
  'That two places hold one object, unless the value contains itself': () => {
    const shared = { at: new Date(0) }
    return [
      [shared, shared],
      [{ at: new Date(0) }, { at: new Date(0) }],
    ]
  },
}

/** Nothing arrives: the sender is told, with the path. */
const refusals: Record<string, () => unknown> = {
  'A function': () => ({ run() {} }),
  'A symbol': () => [Symbol('x')],
  'An instance of a class': () => new (class Account {})(),
  'A boxed primitive, Promise, WeakMap, Proxy of one, SharedArrayBuffer, Blob': () => Object(1n),
  'A property named `__proto__`': () => JSON.parse('{"__proto__":1}'),
  'A BigInt of more than 1 000 digits': () => 10n ** 1_000n,
  'Regular expressions of more than 4 096 characters together, one with the flag `v`, one that names a property of characters (`\\p`)':
    () => [/a\p{L}/u],
  'A URL whose host is longer than 259 characters': () => new URL(`https://${'a'.repeat(260)}/`),
  'More than 4 096 levels': () => {
    let value: unknown
    for (let level = 0; level < 4_200; level++) value = [value]
    return value
  },
  'A getter that throws': () => ({
    get a() {
      throw new Error('no')
    },
  }),
}

function rows(heading: string): string[] {
  const text = readFileSync(new URL('../../src/protocol/README.md', import.meta.url), 'utf8')
  const table = text.slice(text.indexOf(`| ${heading} |`)).split('\n\n')[0] as string
  return table
    .split('\n')
    .slice(2)
    .map((row) => (row.split(' | ')[0] as string).replace(/^\| /, ''))
}

describe('the table of losses', () => {
  test('has a row for each case, and a case for each row', () => {
    expect(rows('what is lost')).toEqual(Object.keys(losses))
    expect(rows('what is refused')).toEqual(Object.keys(refusals))
  })

  test.each(Object.entries(losses))('%s', (_, make) => {
    const [sent, arrives] = make()
    expect(isDeepStrictEqual(roundTrip(sent), arrives)).toBe(true)
  })

  test.each(Object.entries(refusals))('%s is refused', (_, make) => {
    expect(isRefused(make())).toBe(true)
  })

  test('in particular: the class of an Error is lost, its name is not', () => {
    const back = roundTrip(new RangeError('far')) as Error
    expect(back).not.toBeInstanceOf(RangeError)
    expect(back.name).toBe('RangeError')
  })

  test('in particular: one object at two places arrives as two', () => {
    const shared = { at: new Date(0) }
    const [first, second] = roundTrip([shared, shared]) as [object, object]
    expect(first).not.toBe(second)
  })
})

/** Values of every kind there is, with what the table names among them. */
const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withSparseArray: true,
  withNullPrototype: true,
  withObjectString: true,
  withUnicodeString: true,
  withBoxedValues: true,
  maxDepth: 4,
})

test('any value comes back equal, but for what the table says', () => {
  fc.assert(
    fc.property(anything, (value) => {
      if (isRefused(value)) return assert.isTrue(hasRefused(value), 'refused without a reason in the table')
      const back = roundTrip(value)
      assert.isTrue(isDeepStrictEqual(comparable(back), comparable(value)), fc.stringify(value))
    }),
    { numRuns: 1_000 },
  )
})

test('what superjson keeps, comes back as superjson gives it', () => {
  const kept = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, maxDepth: 3 })
  fc.assert(
    fc.property(kept, (value) => {
      let theirs: unknown
      try {
        theirs = superjson.deserialize(JSON.parse(JSON.stringify(superjson.serialize(value))))
      } catch {
        return // An invalid Date, a key that it forbids.
      }
      if (!isDeepStrictEqual(comparable(theirs), comparable(value))) return
      assert.isTrue(isDeepStrictEqual(comparable(roundTrip(value)), comparable(theirs)), fc.stringify(value))
    }),
    { numRuns: 500 },
  )
})

test.each([
  ['inline', false],
  ['opaque', true],
])('a list 4 000 deep comes back, plain and rich: %s', (_, opaque) => {
  for (const content of [1, new Date(5)]) {
    let list: unknown = null
    for (let length = 0; length < 4_000; length++) list = { content, next: list }
    const payload = JSON.parse(JSON.stringify({ payload: encodePayload(list, { ...options, opaque }) })).payload
    let back = decodePayload(payload, 'value') as { content: unknown; next: unknown } | null
    let length = 0
    for (; back !== null; back = back.next as typeof back, length++) expect(back.content).toEqual(content)
    expect(length).toBe(4_000)
  }
})

/** Does it hold anything that the table of refusals names? */
function hasRefused(value: unknown): boolean {
  if (typeof value === 'function' || typeof value === 'symbol') return true
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false
  if (value instanceof Map) return [...value].flat().some(hasRefused)
  if (value instanceof Set) return [...value].some(hasRefused)
  if (value instanceof Number || value instanceof String || value instanceof Boolean) return true
  return Object.getOwnPropertyNames(value).some((key) => key === '__proto__' || hasRefused(Reflect.get(value, key)))
}

/** As it is, without what the table says is lost; a Date that is none is not equal to itself. */
function comparable(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'no date' : value
  if (Array.isArray(value)) {
    const copy: unknown[] = new Array(value.length)
    for (const index of Object.keys(value))
      if (/^\d+$/.test(index)) copy[Number(index)] = comparable(value[Number(index)])
    return copy
  }
  if (value instanceof Map) return new Map([...value].map(([key, entry]) => [comparable(key), comparable(entry)]))
  if (value instanceof Set) return new Set([...value].map(comparable))
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, comparable(entry)]))
}
