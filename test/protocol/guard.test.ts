import fc from 'fast-check'
import { afterEach, assert, describe, expect, test } from 'vitest'
import { PayloadError } from '../../src/protocol/errors.js'
import type { Payload } from '../../src/protocol/frames.js'
import { decodePayload } from '../../src/protocol/payload.js'
import { thrown } from '../support/outcome.js'

// Everything here was forged: no encoder of ours makes it. Texts, because JSON.parse alone makes an own `__proto__`.

function decode(text: string): unknown {
  const opaque = outcome(text)
  const inline = outcome(JSON.parse(text) as Payload)
  assert.deepEqual(inline.refused, opaque.refused, 'inline and opaque are guarded alike')
  if (opaque.refused) throw opaque.refused
  return opaque.value
}

function outcome(payload: Payload): { value?: unknown; refused?: PayloadError } {
  try {
    return { value: decodePayload(payload, 'value') }
  } catch (error) {
    assert.instanceOf(error, PayloadError)
    return { refused: error as PayloadError }
  }
}

const parse = (text: string): unknown => JSON.parse(text)

function rich(json: unknown, values?: unknown): string {
  return JSON.stringify({ rich: { json, meta: { v: 2, values, refs: true } } })
}

afterEach(() => {
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
})

describe('refuses', () => {
  const attacks: Record<string, string> = {
    'a __proto__ in plain data': '{"plain":{"a":[{"__proto__":{"polluted":1}}]}}',
    'a __proto__ in rich data': '{"rich":{"json":{"__proto__":{"polluted":1}}}}',
    'a __proto__ in an Error':
      '{"rich":{"json":{"name":"","message":"","own":{"__proto__":{"polluted":1}}},"meta":{"v":2,"values":["error"]}}}',
    'an annotation of __proto__': '{"rich":{"json":{"a":1},"meta":{"v":2,"values":{"__proto__":["Date"]}}}}',
    'an annotation of an inherited key': rich({ a: {} }, { a: { toString: ['undefined'] } }),
    'a path, as superjson has them': rich({ a: { b: 1 } }, { 'a.b': ['Date'] }),
    'a length of an array': rich({ a: [1] }, { a: { length: ['Date'] } }),
    'an index that is none': rich([1], { '00': ['Date'] }),
    'an annotation inside a text': rich('abc', { 0: ['Date'] }),
    'a reference to what comes later': rich([0, {}], { 0: ['ref'] }).replace('[0,', '[1,'),
    'a reference to nothing': rich({ a: 7 }, { a: ['ref'] }),
    'a reference by a text': rich({ a: '0' }, { a: ['ref'] }),
    'a reference by a fraction': rich({ a: 0.5 }, { a: ['ref'] }),
    'a reference backwards': rich({ a: -1 }, { a: ['ref'] }),
    'a reference to the length of the list of all': rich({ a: 'length' }, { a: ['ref'] }),
    'a reference where there are none': '{"rich":{"json":[0],"meta":{"v":2,"values":{"0":["ref"]}}}}',
    'a hole in an object': rich({ a: null }, { a: ['hole'] }),
    'a hole in a Set': rich([null], ['set', { 0: ['hole'] }]),
    'a hole that hides something': rich([1], { 0: ['hole'] }),
    'a hole alone': rich(null, ['hole']),
    nothing: '{"rich":{}}',
    'only annotations': '{"rich":{"meta":{"v":2,"values":["undefined"]}}}',
    'a typed array from a number': rich({ a: 1e9 }, { a: ['typed-array', 'Float64Array'] }),
    'a typed array from a list': rich({ a: [1] }, { a: ['Uint8Array'] }),
    'a BigInt of many digits': rich({ a: '9'.repeat(100_000) }, { a: ['bigint'] }),
    'a BigInt of no digits': rich({ a: 'x' }, { a: ['bigint'] }),
    'a BigInt from a number': rich({ a: 1e300 }, { a: ['bigint'] }),
    'a regular expression of many characters': rich({ a: `/${'(a*)*'.repeat(1_000)}/` }, { a: ['regexp'] }),
    'regular expressions that are long together': rich(
      Array.from({ length: 5 }, () => `/${'a'.repeat(900)}/`),
      Object.fromEntries(Array.from({ length: 5 }, (_, index) => [index, ['regexp']])),
    ),
    'a regular expression with the flag v': rich({ a: '/a/gv' }, { a: ['regexp'] }),
    'a regular expression with a Unicode property': rich({ a: '/\\\\\\P{L}/u' }, { a: ['regexp'] }),
    'a URL with a host of many characters': rich({ a: `https://${'xn--a.'.repeat(99)}/` }, { a: ['URL'] }),
    'a URL with a host of other characters': rich({ a: `wss://${'\u4e2d'.repeat(99)}/` }, { a: ['URL'] }),
    'a URL with a host behind a user': rich({ a: `http://a@${'b'.repeat(300)}/` }, { a: ['URL'] }),
    'a URL without slashes': rich({ a: `https:${'b'.repeat(99)}/` }, { a: ['URL'] }),
    'a URL without a path': rich({ a: `https://${'b'.repeat(99)}` }, { a: ['URL'] }),
    'a URL with backslashes': rich({ a: `https:\\\\${'b'.repeat(99)}/` }, { a: ['URL'] }),
    'a URL that is cut by a query': rich({ a: `https://${'b'.repeat(99)}?/` }, { a: ['URL'] }),
    'a URL in capitals': rich({ a: `HTTPS://${'b'.repeat(99)}/` }, { a: ['URL'] }),
    'a URL with a space before': rich({ a: ` https://${'b'.repeat(99)}/` }, { a: ['URL'] }),
    'a URL with a tab inside': rich({ a: `ht\ttps://${'b'.repeat(99)}/` }, { a: ['URL'] }),
    'a regular expression that is none': rich({ a: '/(/' }, { a: ['regexp'] }),
    'an annotation nobody knows': rich({ a: '1' }, { a: ['eval'] }),
    'an annotation with an inherited name': rich({ a: '1' }, { a: ['constructor'] }),
    'a class': rich({ a: {} }, { a: ['class', { Account: ['Date'] }] }),
    'a symbol': rich({ a: 'x' }, { a: ['symbol'] }),
    'the Error of superjson, which sets any name': rich({ a: { name: 'x', message: 'y' } }, { a: ['Error'] }),
    'the Error of superjson, from a text': rich({ a: 'x' }, { a: ['Error'] }),
    'a custom type nobody knows': rich({ a: 1 }, { a: [['custom', 'evil']] }),
    'a custom type with an inherited name': rich({ a: 1 }, { a: [['custom', 'toString']] }),
    'a Set from an object': rich({ a: { length: 1e9 } }, { a: ['set'] }),
    'a Map from a text': rich({ a: 'abc' }, { a: ['map'] }),
    'a Map whose last key has no value': rich({ a: [1, 2, 3] }, { a: ['map'] }),
    'an undefined that hides something': rich({ a: { secret: 1 } }, { a: ['undefined'] }),
    'a number that is a text of another kind': rich({ a: '1e999' }, { a: ['number'] }),
    'a Date from an object': rich({ a: { getTime: 1 } }, { a: ['Date'] }),
    'a Date from a text': rich({ a: '2024' }, { a: ['Date'] }),
    'a URL that is none': rich({ a: 'no url' }, { a: ['URL'] }),
    'an Error from a text': rich({ a: 'x' }, { a: ['error'] }),
    'an Error whose name cannot be a text': rich({ a: { name: { toString: 1, valueOf: 1 } } }, { a: ['error'] }),
    'binary data without data': rich({ a: { type: 'Buffer' } }, { a: ['binary'] }),
    'binary data of a length': rich({ a: { type: 'Uint8Array', data: 1e9 } }, { a: ['binary'] }),
    'binary data of an unknown kind': rich({ a: { type: 'SharedArrayBuffer', data: '' } }, { a: ['binary'] }),
    'binary data of an inherited kind': rich({ a: { type: 'constructor', data: '' } }, { a: ['binary'] }),
    'binary data that is no multiple of its element': rich(
      { a: { type: 'Float64Array', data: 'AAAA' } },
      { a: ['binary'] },
    ),
    'an annotation inside binary data': rich(
      { a: { type: 'Buffer', data: '123' } },
      { a: ['binary', { data: ['bigint'] }] },
    ),
    'an annotation with children where there can be none': rich({ a: '1' }, { a: ['bigint', { x: ['Date'] }] }),
    'an annotation of three parts': rich({ a: [] }, { a: ['set', {}, {}] }),
    'an annotation of no parts': rich({ a: [] }, { a: [] }),
    'annotations that are no object': rich({ a: [] }, 'set'),
    'an annotation for nothing': rich({ a: 1 }, { b: ['Date'] }),
    'annotations of another version': '{"rich":{"json":{"a":"1"},"meta":{"values":{"a":["Date"]},"v":1}}}',
    'annotations without a version': '{"rich":{"json":{"a":"1"},"meta":{"values":{"a":["Date"]}}}}',
    'a rich value that is a list': '{"rich":[]}',
    'a rich value that is null': '{"rich":null}',
    'neither plain nor rich': '{"other":1}',
    'a number': '1',
    'null inside': 'null',
    'a list': '[{"plain":1}]',
    'plain data nested too deep': `{"plain":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
    'rich data nested too deep': `{"rich":{"json":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}}`,
    'rich data nested too deep, each level annotated': `{"rich":{"json":${'['.repeat(5_000)}${']'.repeat(5_000)},"meta":{"v":2,"values":${'["set",{"0":'.repeat(4_999)}["set"]${'}]'.repeat(4_999)}}}}`,
  }

  test.each(Object.entries(attacks))('%s', (_, text) => {
    const error = thrown(PayloadError, () => decode(text))
    expect(error.path).toBe('value')
    expect(error.reason).toMatch(/^arrived in a form that is refused: it /)
  })

  test('a text that is no JSON', () => {
    expect(() => decodePayload('{"plain":', 'value')).toThrow(PayloadError)
  })

  test('an allocation that the text does not justify, without making it', () => {
    const before = process.memoryUsage().arrayBuffers
    for (const type of ['Uint8Array', 'typed-array', 'set', 'map', 'binary'])
      expect(() => decode(rich({ a: 2 ** 31 }, { a: [type] }))).toThrow(PayloadError)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20)
  })

  test('a BigInt of many digits before it is computed', () => {
    const start = performance.now()
    expect(() => decode(rich({ a: '9'.repeat(2_000_000) }, { a: ['bigint'] }))).toThrow(PayloadError)
    expect(performance.now() - start).toBeLessThan(1_000)
  })
})

describe('takes', () => {
  test('an own key with a dangerous look, as data', () => {
    const text = '{"plain":{"constructor":{"prototype":{"polluted":1}},"then":"x"}}'
    expect(decode(text)).toEqual(JSON.parse(text).plain)
  })

  test('a deep list that is no deeper than allowed', () => {
    expect(() => decode(`{"plain":${'['.repeat(4_000)}${']'.repeat(4_000)}}`)).not.toThrow()
  })

  test('an Error whose record names what every object inherits, without its code running', () => {
    const record = parse('{"a":{"name":"E","message":"x","own":{"toString":"y","then":null,"stack":1}}}')
    const error = decode(rich(record, { a: ['error'] })) as {
      a: Error & { then: unknown }
    }
    expect(error.a.message).toBe('x')
    expect(error.a.then).toBeNull()
  })
})

// -------------------------------------------------------------------------------------------- fuzzing

const key = fc.constantFrom('a', 'b', '0', '1', 'then', 'toString', 'constructor', '__proto__', 'length', 'own', 'data')
const leaf = fc.constantFrom('null', 'true', '1', '0', '"1"', '"NaN"', '"x"', '"/a/"', '"Buffer"', '"a:b"', '""')
const { json } = fc.letrec<{ json: string }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('json'), { maxLength: 3 }).map((entries) => `[${entries.join()}]`),
    fc
      .array(fc.tuple(key, tie('json')), { maxLength: 4 })
      .map((entries) => `{${entries.map(([name, value]) => `"${name}":${value}`).join()}}`),
  ),
}))
const type = fc
  .constantFrom(
    ...['undefined', 'bigint', 'Date', 'regexp', 'number', 'URL', 'set', 'map', 'error', 'binary', 'ref', 'hole'],
    ...['Error', 'constructor', 'class', 'typed-array'],
  )
  .map((name) => JSON.stringify(name))
const { tree } = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    type.map((name) => `[${name}]`),
    fc.tuple(type, tie('tree')).map(([name, children]) => `[${name},${children}]`),
    fc
      .array(fc.tuple(key, tie('tree')), { maxLength: 4 })
      .map((entries) => `{${entries.map(([at, value]) => `"${at}":${value}`).join()}}`),
  ),
}))
const forged = fc
  .tuple(json, fc.option(tree))
  .map(([data, values]) => `{"rich":{"json":${data},"meta":{"v":2,"refs":true${values ? `,"values":${values}` : ''}}}}`)

/** No function anywhere, and no own `__proto__`. */
function assertHarmless(value: unknown, seen = new Set<unknown>()): void {
  assert.notTypeOf(value, 'function')
  if (typeof value !== 'object' || value === null || seen.has(value)) return
  seen.add(value)
  assert.isFalse(Object.hasOwn(value, '__proto__'))
  for (const name of Object.getOwnPropertyNames(value)) assertHarmless(Reflect.get(value, name), seen)
  if (value instanceof Map || value instanceof Set) for (const entry of value) assertHarmless(entry, seen)
}

describe('whatever arrives', () => {
  test.each([
    { what: 'any JSON', texts: fc.json() },
    { what: 'any JSON as plain', texts: json.map((text) => `{"plain":${text}}`) },
    { what: 'any JSON as rich', texts: fc.json().map((text) => `{"rich":${text}}`) },
    { what: 'forged annotations', texts: forged },
  ])('is refused or harmless: $what', ({ texts }) => {
    fc.assert(
      fc.property(texts, (text) => {
        for (const payload of [text, JSON.parse(text) as Payload]) {
          const { value } = outcome(payload)
          assertHarmless(value)
        }
        assert.isUndefined(({} as Record<string, unknown>).polluted)
      }),
      { numRuns: 500 },
    )
  })
})
