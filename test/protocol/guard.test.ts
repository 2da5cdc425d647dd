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

function rich(json: unknown, values?: unknown, referentialEqualities?: unknown): string {
  return JSON.stringify({ rich: { json, meta: { values, referentialEqualities, v: 1 } } })
}

afterEach(() => {
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
})

const binaryBeside = { a: { type: 'Buffer', data: '' }, b: 1 }

describe('refuses', () => {
  const attacks: Record<string, string> = {
    'a __proto__ in plain data': '{"plain":{"a":[{"__proto__":{"polluted":1}}]}}',
    'a __proto__ in rich data': '{"rich":{"json":{"__proto__":{"polluted":1}}}}',
    'a path through __proto__': rich({ a: 1 }, { '__proto__.polluted': ['Date'] }),
    'a path through constructor.prototype': rich({ a: {} }, undefined, { a: ['constructor.prototype.polluted'] }),
    'a source path through an inherited key': rich({ a: {}, b: 1 }, undefined, { 'a.toString': ['b'] }),
    'a thenable through referentialEqualities': rich(parse('{"a":{},"then":null}'), undefined, {
      'a.valueOf': ['then'],
    }),
    'a thenable by replacing what a checked path went through': rich(
      parse('{"a":{"toString":{}},"b":{},"c":{"then":{}}}'),
      undefined,
      { b: ['a'], 'a.toString': ['c.then'] },
    ),
    'a method of a text that took the place of an object': rich(
      parse('{"a":{"toString":{}},"b":"text","c":{"then":{}}}'),
      undefined,
      { b: ['a'], 'a.toString': ['c.then'] },
    ),
    'a length of an array': rich({ a: [1] }, { 'a.length': ['Date'] }),
    'a typed array from a number': rich({ a: 1e9 }, { a: [['typed-array', 'Float64Array']] }),
    'a typed array from a list': rich({ a: [1] }, { a: [['typed-array', 'Uint8Array']] }),
    'a BigInt of many digits': rich({ a: '9'.repeat(100_000) }, { a: ['bigint'] }),
    'a BigInt of no digits': rich({ a: 'x' }, { a: ['bigint'] }),
    'a BigInt from a number': rich({ a: 1e300 }, { a: ['bigint'] }),
    'a regular expression of many characters': rich({ a: `/${'(a*)*'.repeat(1_000)}/` }, { a: ['regexp'] }),
    'a regular expression that is none': rich({ a: '/(/' }, { a: ['regexp'] }),
    'an annotation nobody knows': rich({ a: '1' }, { a: ['eval'] }),
    'an annotation with an inherited name': rich({ a: '1' }, { a: ['constructor'] }),
    'a class': rich({ a: {} }, { a: [['class', 'Account']] }),
    'a symbol': rich({ a: 'x' }, { a: [['symbol', 'x']] }),
    'the Error of superjson, which sets any name': rich({ a: { name: 'x', message: 'y' } }, { a: ['Error'] }),
    'the Error of superjson, from a text': rich({ a: 'x' }, { a: ['Error'] }),
    'a custom type nobody knows': rich({ a: 1 }, { a: [['custom', 'evil']] }),
    'a custom type with an inherited name': rich({ a: 1 }, { a: [['custom', 'toString']] }),
    'a Set from an object': rich({ a: { length: 1e9 } }, { a: ['set'] }),
    'a Map from a text': rich({ a: 'abc' }, { a: ['map'] }),
    'a Map from what are no pairs': rich({ a: [[1]] }, { a: ['map'] }),
    'an undefined that hides something': rich({ a: { secret: 1 } }, { a: ['undefined'] }),
    'a number that is a text of another kind': rich({ a: '1e999' }, { a: ['number'] }),
    'a Date from an object': rich({ a: { getTime: 1 } }, { a: ['Date'] }),
    'a URL that is none': rich({ a: 'no url' }, { a: ['URL'] }),
    'an Error from a text': rich({ a: 'x' }, { a: [['custom', 'error']] }),
    'an Error whose name cannot be a text': rich(
      { a: { name: { toString: 1, valueOf: 1 } } },
      { a: [['custom', 'error']] },
    ),
    'binary data without data': rich({ a: { type: 'Buffer' } }, { a: [['custom', 'binary']] }),
    'binary data of a length': rich({ a: { type: 'Uint8Array', data: 1e9 } }, { a: [['custom', 'binary']] }),
    'binary data of an unknown kind': rich(
      { a: { type: 'SharedArrayBuffer', data: '' } },
      { a: [['custom', 'binary']] },
    ),
    'binary data of an inherited kind': rich({ a: { type: 'constructor', data: '' } }, { a: [['custom', 'binary']] }),
    'binary data that is no multiple of its element': rich(
      { a: { type: 'Float64Array', data: 'AAAA' } },
      { a: [['custom', 'binary']] },
    ),
    'an annotation inside binary data': rich(
      { a: { type: 'Buffer', data: '123' } },
      { a: [['custom', 'binary'], { data: ['bigint'] }] },
    ),
    'an annotation with children where there can be none': rich({ a: '1' }, { a: ['bigint', { x: ['Date'] }] }),
    'an annotation of three parts': rich({ a: [] }, { a: ['set', {}, {}] }),
    'an annotation of no parts': rich({ a: [] }, { a: [] }),
    'annotations that are no object': rich({ a: [] }, 'set'),
    'an annotation for nothing': rich({ a: 1 }, { b: ['Date'] }),
    'a path with an unknown escape': rich({ n: '1' }, { '\\n': ['bigint'] }),
    'references that are no object': rich({ a: {} }, undefined, 'a'),
    'references to no list': rich({ a: {} }, undefined, { a: 'b' }),
    'a reference that is no path': rich({ a: {} }, undefined, { a: [1] }),
    'a root reference to nowhere': rich({ a: {} }, undefined, [['b']]),
    'annotations of another version': '{"rich":{"json":{"a":"1"},"meta":{"values":{"a":["Date"]},"v":0}}}',
    'annotations without a version': '{"rich":{"json":{"a":"1"},"meta":{"values":{"a":["Date"]}}}}',
    'a rich value that is a list': '{"rich":[]}',
    'a rich value that is null': '{"rich":null}',
    'neither plain nor rich': '{"other":1}',
    'a number': '1',
    'null inside': 'null',
    'a list': '[{"plain":1}]',
    'plain data nested too deep': `{"plain":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
    'rich data nested too deep': `{"rich":{"json":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}}`,
    'annotations nested too deep': `{"rich":{"json":[],"meta":{"v":1,"values":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}}}`,
  }

  test.each(Object.entries(attacks))('%s', (_, text) => {
    const error = thrown(PayloadError, () => decode(text))
    expect(error.path).toBe('value')
    expect(error.reason).toMatch(/^arrived in a form that is refused: it /)
  })

  test.each([
    ['an inherited key', rich({ a: {}, b: 1 }, undefined, { 'a.toString': ['b'] })],
    ['the inside of binary data', rich(binaryBeside, { a: [['custom', 'binary']] }, { 'a.data': ['b'] })],
  ])('a reference through %s, before anything is built', (_, text) => {
    expect(thrown(PayloadError, () => decode(text)).reason).toContain('has a path that leads nowhere')
  })

  test('a text that is no JSON', () => {
    expect(() => decodePayload('{"plain":', 'value')).toThrow(PayloadError)
  })

  test('an allocation that the text does not justify, without making it', () => {
    const before = process.memoryUsage().arrayBuffers
    expect(() => decode(rich({ a: 2 ** 31 }, { a: [['typed-array', 'Uint8Array']] }))).toThrow(PayloadError)
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
    const record = parse('{"a":{"message":"x","toString":"y","then":null}}')
    const error = decode(rich(record, { a: [['custom', 'error']] })) as {
      a: Error & { then: unknown }
    }
    expect(error.a.message).toBe('x')
    expect(error.a.then).toBeNull()
  })
})

// -------------------------------------------------------------------------------------------- fuzzing

const key = fc.constantFrom('a', 'b', '0', '1', 'then', 'toString', 'constructor', '__proto__', 'cause', 'type', 'data')
const leaf = fc.oneof(
  fc.constantFrom('null', 'true', '1', '"1"', '"NaN"', '"x"', '"/a/"', '"2020-01-01T00:00:00.000Z"', '"Buffer"', '""'),
)
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
const path = fc.array(key, { maxLength: 4 }).map((steps) => steps.join('.'))
const type = fc.constantFrom(
  ...['undefined', 'bigint', 'Date', 'regexp', 'number', 'URL', 'set', 'map', 'Error', 'constructor'].map((name) =>
    JSON.stringify(name),
  ),
  '["custom","binary"]',
  '["custom","error"]',
  '["class","a"]',
  '["typed-array","Uint8Array"]',
)
const { tree } = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    type.map((name) => `[${name}]`),
    fc.tuple(type, tie('tree')).map(([name, children]) => `[${name},${children}]`),
    fc
      .array(fc.tuple(path, tie('tree')), { maxLength: 4 })
      .map((entries) => `{${entries.map(([at, value]) => `"${at}":${value}`).join()}}`),
  ),
}))
const equalities = fc
  .array(fc.tuple(path, fc.array(path, { maxLength: 3 })), { maxLength: 4 })
  .map((entries) => `{${entries.map(([at, copies]) => `"${at}":${JSON.stringify(copies)}`).join()}}`)

const forged = fc
  .tuple(json, fc.option(tree), fc.option(equalities))
  .map(
    ([data, values, references]) =>
      `{"rich":{"json":${data},"meta":{"v":1${values ? `,"values":${values}` : ''}${references ? `,"referentialEqualities":${references}` : ''}}}}`,
  )

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
      { numRuns: 2_000 },
    )
  })
})
