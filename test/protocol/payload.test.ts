import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { assert, describe, expect, test } from 'vitest'
import { PayloadError } from '../../src/protocol/errors.js'
import type { Payload } from '../../src/protocol/frames.js'
import { DEFAULT_PAYLOAD_LIMIT, decodePayload, encodePayload } from '../../src/protocol/payload.js'
import { thrown } from '../support/outcome.js'

function encode(value: unknown, { opaque = false, limit = DEFAULT_PAYLOAD_LIMIT, root = 'value' } = {}): Payload {
  return encodePayload(value, { opaque, limit, root })
}

/** There and back, as the channel carries it. */
function roundTrip(value: unknown, opaque: boolean): unknown {
  const { payload } = JSON.parse(JSON.stringify({ payload: encode(value, { opaque }) })) as { payload: Payload }
  return decodePayload(payload, 'value')
}

const forms = [
  { form: 'inline', opaque: false },
  { form: 'opaque', opaque: true },
]

describe('plain JSON', () => {
  test('goes as it is, inline', () => {
    const value = { rows: [{ id: 1, tags: ['a', null, true] }] }
    expect(JSON.parse(JSON.stringify(encode(value)))).toEqual({ plain: value })
  })

  test.each([
    { what: 'plain', extra: {} },
    { what: 'rich', extra: { at: new Date(0) } },
  ])('is what it was when it was encoded, whatever becomes of the original: $what', ({ extra }) => {
    for (const { opaque } of forms) {
      const value = { list: [1], inner: { a: 1 }, ...extra }
      const payload = encode(value, { opaque })
      value.list.push(2)
      value.inner.a = 2
      expect(decodePayload(payload, 'value')).toEqual({ list: [1], inner: { a: 1 }, ...extra })
    }
  })

  test('goes as one text where the primary only passes it on', () => {
    expect(encode({ id: 1 }, { opaque: true })).toBe('{"plain":{"id":1}}')
  })

  test.each(forms)('comes back equal, $form', ({ opaque }) => {
    const plain = fc
      .jsonValue()
      .filter((value) => !JSON.stringify(value).includes('-0') && !JSON.stringify(value).includes('"__proto__"'))
      .map((value) => JSON.parse(JSON.stringify(value)) as unknown)
    fc.assert(
      fc.property(plain, (value) => {
        const payload: unknown = JSON.parse(JSON.stringify(encode(value)))
        assert.hasAllKeys(payload as object, ['plain'])
        assert.isTrue(isDeepStrictEqual(roundTrip(value, opaque), value))
      }),
    )
  })

  test('takes an object without a prototype for a plain one', () => {
    expect(roundTrip(Object.assign(Object.create(null), { a: 1 }), false)).toEqual({ a: 1 })
  })

  test('keeps a key that only looks like something inherited', () => {
    const value: unknown = JSON.parse('{"toString":1,"constructor":"x","then":null}')
    expect(roundTrip(value, true)).toEqual(value)
  })

  test('needs nothing on the wire for undefined', () => {
    expect(encode(undefined)).toBeUndefined()
    expect(decodePayload(undefined, 'value')).toBeUndefined()
  })
})

describe('what JSON loses', () => {
  const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 255, 0, 128, 9, 10, 11, 12, 13]).buffer
  const values: Record<string, unknown> = {
    Date: new Date('2024-02-29T12:00:00.123Z'),
    'a Date far off': new Date(8.64e15),
    // biome-ignore lint/suspicious/noSparseArray: that is what is tested.
    'an array with holes': [, 1, , undefined, new Date(0), , ,],
    'an array of holes alone': new Array(3),
    'a key constructor': { constructor: 1, prototype: { valueOf: 2n } },
    Map: new Map<unknown, unknown>([
      ['a', 1],
      [{ deep: true }, new Date(0)],
      [undefined, Number.NaN],
    ]),
    Set: new Set<unknown>(['a', 1, { b: 2 }, undefined]),
    BigInt: 2n ** 70n,
    'negative BigInt': -(2n ** 70n),
    'undefined in an object': { a: undefined, b: 1 },
    'undefined in an array': [undefined, 1],
    NaN: Number.NaN,
    Infinity: Number.POSITIVE_INFINITY,
    '-Infinity': Number.NEGATIVE_INFINITY,
    '-0': -0,
    'an object with a -0': { a: -0, b: [-0] },
    RegExp: /a\/(b|c)\n/giu,
    Buffer: Buffer.from('héllo'),
    'an empty Buffer': Buffer.alloc(0),
    ArrayBuffer: buffer,
    DataView: new DataView(buffer, 2, 5),
    Int8Array: new Int8Array(buffer),
    Uint8Array: new Uint8Array(buffer),
    Uint8ClampedArray: new Uint8ClampedArray(buffer),
    Int16Array: new Int16Array(buffer),
    Uint16Array: new Uint16Array(buffer),
    Int32Array: new Int32Array(buffer),
    Uint32Array: new Uint32Array(buffer),
    Float32Array: new Float32Array([0.5, -0, Number.NaN]),
    Float64Array: new Float64Array([1e300, -0, Number.NEGATIVE_INFINITY]),
    BigInt64Array: new BigInt64Array([-(2n ** 63n), 1n]),
    BigUint64Array: new BigUint64Array([2n ** 64n - 1n]),
    'a mix': {
      when: new Date(5),
      'a.b\\c': new Map([['x.y', new Set([1n])]]),
      list: [[[Buffer.from([1])]], { deep: { deeper: /x/ } }],
    },
  }

  describe.each(forms)('$form', ({ opaque }) => {
    test.each(Object.entries(values))('%s comes back', (_, value) => {
      const back = roundTrip(value, opaque)
      assert.isTrue(isDeepStrictEqual(back, value), JSON.stringify(encode(value)))
    })

    test('an invalid Date comes back', () => {
      const back = roundTrip([new Date('x')], opaque) as [Date]
      expect(back[0]).toBeInstanceOf(Date)
      expect(back[0].getTime()).toBeNaN()
    })

    test('a URL comes back', () => {
      const back = roundTrip({ url: new URL('https://user:pw@example.com:8443/a%20b?c=d#e') }, opaque) as { url: URL }
      expect(back.url).toBeInstanceOf(URL)
      expect(back.url.href).toBe('https://user:pw@example.com:8443/a%20b?c=d#e')
    })

    test('an Error comes back with its name, message, stack, cause and own properties', () => {
      const error = Object.assign(new TypeError('no', { cause: new Error('because', { cause: undefined }) }), {
        status: 418,
        at: new Date(0),
      })
      const back = roundTrip([error], opaque) as [Error & Record<string, unknown>]
      expect(back[0]).toBeInstanceOf(Error)
      expect(back[0].name).toBe('TypeError')
      expect(back[0].message).toBe('no')
      expect(back[0].stack).toBe(error.stack)
      expect(back[0].status).toBe(418)
      expect(back[0].at).toEqual(new Date(0))
      expect(back[0].cause).toBeInstanceOf(Error)
      expect((back[0].cause as Error).message).toBe('because')
      expect(back[0].cause).toHaveProperty('cause', undefined)
      expect(Object.keys(back[0])).toEqual(['status', 'at'])
    })

    test('an Error without a cause has none afterwards', () => {
      expect(roundTrip(new Error('x'), opaque)).not.toHaveProperty('cause')
    })

    test('any nest of such values comes back equal', () => {
      fc.assert(
        fc.property(rich, (value) => {
          const back = roundTrip(value, opaque)
          assert.isTrue(isDeepStrictEqual(back, value), JSON.stringify(encode(value)))
        }),
        { numRuns: 300 },
      )
    })
  })

  const key = fc.oneof(
    fc.string(),
    fc.constantFrom(
      'a.b',
      'a\\',
      '.',
      '',
      'toString',
      'constructor',
      'prototype',
      'then',
      'length',
      '0',
      'json',
      'meta',
      'rich',
      'plain',
    ),
  )
  const { rich } = fc.letrec<{ rich: unknown; leaf: unknown }>((tie) => ({
    leaf: fc.oneof(
      fc.string(),
      fc.double(),
      fc.boolean(),
      fc.constantFrom(null, undefined, /x.y/s),
      fc.bigInt(),
      fc.date({ noInvalidDate: true }),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.float64Array(),
      fc.bigInt64Array(),
    ),
    rich: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      tie('leaf'),
      fc.array(tie('rich'), { maxLength: 4 }),
      fc.dictionary(
        key.filter((name) => name !== '__proto__'),
        tie('rich'),
        { maxKeys: 4, noNullPrototype: true },
      ),
      fc.array(fc.tuple(tie('rich'), tie('rich')), { maxLength: 3 }).map((entries) => new Map(entries)),
      fc.array(tie('rich'), { maxLength: 3 }).map((values) => new Set(values)),
    ),
  }))

  test('only the bytes of the view are sent, never the pool behind it', () => {
    const secret = Buffer.from('secret-key-view-secret')
    const payload = encode(secret.subarray(11, 15), { opaque: true }) as string
    expect(Buffer.from(JSON.parse(payload).rich.json.data, 'base64').toString()).toBe('view')
  })

  test('a typed array that came back owns its memory', () => {
    const back = roundTrip(new Uint8Array([1, 2, 3]), true) as Uint8Array
    expect(back.buffer.byteLength).toBe(3)
  })

  test('a subclass of a typed array arrives as what it extends', () => {
    class Pixels extends Uint16Array {}
    const back = roundTrip(new Pixels([1, 65_535]), true)
    assert.isTrue(isDeepStrictEqual(back, new Uint16Array([1, 65_535])))
  })
})

describe('references', () => {
  test('an object that contains itself comes back as one', () => {
    const value: Record<string, unknown> = { name: 'loop', list: [] }
    value.self = value
    ;(value.list as unknown[]).push(value)
    const back = roundTrip(value, true) as typeof value
    expect(back.self).toBe(back)
    expect((back.list as unknown[])[0]).toBe(back)
  })

  test('a tree whose children know their parent comes back whole', () => {
    const root: Record<string, unknown> = { children: [] }
    for (let index = 0; index < 3; index++) (root.children as unknown[]).push({ index, parent: root })
    const back = roundTrip(root, false) as { children: { index: number; parent: unknown }[] }
    expect(back.children.map(({ index }) => index)).toEqual([0, 1, 2])
    expect(back.children.every(({ parent }) => parent === back)).toBe(true)
  })

  test('a Map whose values contain the Map comes back whole', () => {
    const map = new Map<string, unknown>()
    map.set('self', map).set('list', [map])
    const back = roundTrip({ map }, true) as { map: Map<string, unknown> }
    expect(back.map.get('self')).toBe(back.map)
    expect(back.map.get('list')).toEqual([back.map])
  })

  test('objects that are in a Set and elsewhere stay what they are, in their order', () => {
    const [a, b, c] = [{ n: 'a' }, { n: 'b' }, { n: 'c' }]
    const value = { set: new Set([a, b, c]), a, b }
    assert.isTrue(isDeepStrictEqual(roundTrip(value, true), value))
  })

  test('objects that are keys of a Map and elsewhere stay what they are, in their order', () => {
    const [a, b] = [{ n: 'a' }, { n: 'b' }]
    const map = new Map([
      [a, 1],
      [b, 2],
    ])
    const back = roundTrip({ map, list: [a, b] }, true) as { map: typeof map }
    expect([...back.map]).toEqual([...map])
  })

  test('one object at many places of a Map costs no more than many objects', () => {
    const shared = { when: new Date(0) }
    const places = 20_000
    const value = new Map(Array.from({ length: places }, (_, index) => [index, shared]))
    const start = performance.now()
    expect((roundTrip(value, true) as Map<number, unknown>).size).toBe(places)
    // Quadratic, it would take minutes.
    expect(performance.now() - start).toBeLessThan(20_000)
  })

  test('a way back through a Set, the keys of a Map and an Error leads back', () => {
    const node = { peers: new Set<unknown>(), weights: new Map<unknown, number>(), error: new Error('x') }
    node.peers.add(node).add('other')
    node.weights.set(node, 1)
    Object.assign(node.error, { owner: node, cause: node })
    for (const { opaque } of forms) {
      const back = roundTrip(node, opaque) as typeof node & { error: { owner: unknown } }
      expect([...back.peers]).toEqual([back, 'other'])
      expect([...back.weights]).toEqual([[back, 1]])
      expect(back.error.owner).toBe(back)
      expect(back.error.cause).toBe(back)
    }
  })

  test('in a value that contains itself, what is one object stays one, whatever is met first', () => {
    const shared = { when: new Date(0) }
    const value: Record<string, unknown> = { list: [shared, [shared]], map: new Map([[shared, shared]]) }
    value.self = value
    const back = roundTrip(value, true) as { list: [unknown, [unknown]]; map: Map<unknown, unknown> }
    expect(back.list[1][0]).toBe(back.list[0])
    expect([...back.map]).toEqual([[back.list[0], back.list[0]]])
  })

  test('a web in which everything leads to everything costs no more than its links', () => {
    const nodes = Array.from({ length: 40 }, () => ({ to: [] as unknown[] }))
    for (const node of nodes) node.to.push(...nodes)
    expect((encode(nodes, { opaque: true }) as string).length).toBeLessThan(40 * 40 * 30)
    const back = roundTrip(nodes, true) as typeof nodes
    expect(back.every(({ to }) => to.every((node, index) => node === back[index]))).toBe(true)
  })

  test('an object that is met twice, and does not contain itself, is sent twice: over the limit it is refused', () => {
    let value: unknown = { when: new Date(0) }
    for (let level = 0; level < 40; level++) value = [value, value]
    expect(thrown(PayloadError, () => encode(value)).reason).toMatch(/is larger than/)
  })
})

describe('refusals name the place', () => {
  class Account {
    readonly balance = 1
  }
  const deep = (levels: number): unknown => {
    let value: unknown = new Date(0)
    for (let level = 0; level < levels; level++) value = { next: value }
    return value
  }

  const refused: { what: string; value: unknown; path: string; reason: RegExp }[] = [
    { what: 'a function', value: [{ run: () => {} }], path: 'args[0].run', reason: /is a function/ },
    { what: 'a symbol', value: [Symbol('x')], path: 'args[0]', reason: /is a symbol/ },
    {
      what: 'an instance of a class',
      value: [[{ account: new Account() }]],
      path: 'args[0][0].account',
      reason: /an instance of Account.*Send a plain object/,
    },
    { what: 'a Promise', value: [Promise.resolve(1)], path: 'args[0]', reason: /an instance of Promise/ },
    { what: 'a WeakMap', value: [new WeakMap()], path: 'args[0]', reason: /an instance of WeakMap/ },
    { what: 'a boxed number', value: [Object(1)], path: 'args[0]', reason: /an instance of Number/ },
    {
      what: 'an object with a prototype of its own',
      value: [Object.create({ inherited: 1 })],
      path: 'args[0]',
      reason: /an object with a prototype of its own/,
    },
    {
      what: 'a key __proto__',
      value: [JSON.parse('{"a":{"__proto__":1}}')],
      path: 'args[0].a',
      reason: /a property named __proto__/,
    },
    {
      what: 'a getter that throws',
      value: [
        {
          get name() {
            throw new Error('gone')
          },
        },
      ],
      path: 'args[0]',
      reason: /a getter "name" that throws \(gone\)/,
    },
    { what: 'a value of a Map', value: [new Map([['a b', () => {}]])], path: 'args[0].get("a b")', reason: /function/ },
    { what: 'a key of a Map', value: [new Map([[() => {}, 1]])], path: 'args[0].keys()[0]', reason: /function/ },
    { what: 'a member of a Set', value: [new Set([1, () => {}])], path: 'args[0].values()[1]', reason: /function/ },
    {
      what: 'a property of an Error',
      value: [Object.assign(new Error('x'), { run: () => {} })],
      path: 'args[0].run',
      reason: /function/,
    },
    {
      what: 'the cause of an Error',
      value: [new Error('x', { cause: Symbol('y') })],
      path: 'args[0].cause',
      reason: /symbol/,
    },
    {
      what: 'a key that is no identifier',
      value: [{ 'a-b': { ' ': () => {} } }],
      path: 'args[0]["a-b"][" "]',
      reason: /function/,
    },
    { what: 'something too deep', value: deep(5_000), path: expect.any(String) as string, reason: /nested more than/ },
    { what: 'a BigInt too long', value: [10n ** 1_000n], path: 'args[0]', reason: /more than 1000 digits/ },
    {
      what: 'regular expressions that are too long together',
      value: [new RegExp('a'.repeat(3_000)), { pattern: new RegExp('a'.repeat(1_100)) }],
      path: 'args[1].pattern',
      reason: /brings the regular expressions to more than 4096 characters/,
    },
  ]

  test.each(refused)('$what', ({ value, path, reason }) => {
    for (const { opaque } of forms) {
      const error = thrown(PayloadError, () => encode(value, { root: 'args', opaque }))
      expect(error.path).toEqual(path)
      expect(error.reason).toMatch(reason)
    }
  })

  test('what the sender takes, the receiver takes: the longest BigInt and regular expression', () => {
    const value = { digits: 10n ** 999n, negative: -(10n ** 998n), pattern: new RegExp('a'.repeat(4_093), 'g') }
    assert.isTrue(isDeepStrictEqual(roundTrip(value, true), value))
  })

  test.each<{ what: string; value: (size: number) => unknown }>([
    { what: 'a text', value: (size) => 'x'.repeat(size) },
    { what: 'plain data', value: (size) => Array.from({ length: size / 4 }, () => 'x') },
    { what: 'keys', value: (size) => ({ ['k'.repeat(size)]: 1 }) },
    { what: 'rich keys', value: (size) => ({ ['k'.repeat(size)]: new Date(0) }) },
    { what: 'a Buffer', value: (size) => Buffer.alloc(size) },
    { what: 'a Map', value: (size) => new Map([['x'.repeat(size), 1]]) },
    { what: 'many undefined', value: (size) => Array.from({ length: size / 10 }) },
    { what: 'the message of an Error', value: (size) => new Error('x'.repeat(size)) },
    { what: 'the stack of an Error', value: (size) => Object.assign(new Error('x'), { stack: 'x'.repeat(size) }) },
    { what: 'a URL', value: (size) => new URL(`https://example.com/${'x'.repeat(size)}`) },
  ])('$what that is too large', ({ value }) => {
    expect(() => encode(value(1_000), { limit: 4_000 })).not.toThrow()
    const error = thrown(PayloadError, () => encode(value(10_000), { limit: 4_000 }))
    expect(error.reason).toMatch(/is larger than 4000 bytes, the limit.*limits\.payload/)
  })

  test.each<{ what: string; text: string; bytes: number }>([
    { what: 'escaped', text: '"', bytes: 2 },
    { what: 'Chinese', text: '\u4e2d', bytes: 3 },
    { what: 'a control character', text: '\u0001', bytes: 6 },
    { what: 'half a character', text: '\ud800', bytes: 6 },
  ])('a text that is within it in characters, and not in bytes: each $what', ({ text, bytes }) => {
    const most = Math.floor((4_000 - 2) / bytes)
    for (const opaque of [false, true]) {
      expect(() => encode(text.repeat(most), { limit: 4_000, opaque })).not.toThrow()
      thrown(PayloadError, () => encode(text.repeat(most + 1), { limit: 4_000, opaque }))
      thrown(PayloadError, () => encode(new Set([text.repeat(most + 1)]), { limit: 4_000, opaque }))
    }
  })

  test('whatever is sent is no larger than the limit as it is written, but for what stands around it', () => {
    const AROUND = 64
    const any = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
    })
    fc.assert(
      fc.property(any, fc.integer({ min: 1, max: 300 }), fc.boolean(), (value, limit, opaque) => {
        let payload: Payload
        try {
          payload = encode(value, { limit, opaque })
        } catch (error) {
          if (error instanceof PayloadError) return
          throw error
        }
        const text = typeof payload === 'string' ? payload : (JSON.stringify(payload) ?? '')
        assert.isAtMost(Buffer.byteLength(text), limit + AROUND)
      }),
      { numRuns: 2_000 },
    )
  })
})
