import { crowded } from './crowded.js'
import { json, key, leaf } from './json.js'
import type { Random } from './random.js'

/** Texts of payloads: any JSON as plain, forged annotations, binary forms, and what our own writer made, spoilt. */

const TYPES = [
  ...['undefined', 'bigint', 'Date', 'regexp', 'number', 'URL', 'set', 'map', 'error', 'binary', 'ref', 'hole'],
  ...['Error', 'class', 'symbol', 'custom', 'typed-array', 'constructor', '__proto__', 'toString', ''],
]

export function plain(random: Random): string {
  return `{"plain":${json(random)}}`
}

/** Annotations for data that they need not fit. */
export function forged(random: Random): string {
  return `{"rich":{"json":${json(random)},"meta":{"v":${random.oneIn(20) ? leaf(random) : 2},"values":${tree(random, 3)}${random.oneIn(2) ? ',"refs":true' : ''}}}}`
}

function tree(random: Random, depth: number): string {
  const type = JSON.stringify(random.pick(TYPES))
  if (depth === 0 || random.oneIn(4)) return `[${type}]`
  const children = `{${random.list(3, () => `${key(random)}:${tree(random, depth - 1)}`).join()}}`
  if (random.oneIn(30)) return json(random, 2)
  return random.oneIn(2) ? children : `[${type},${children}]`
}

/** As superjson writes them: paths, references, its own names. */
export function superjsonMeta(random: Random): string {
  const path = (): string => JSON.stringify(random.list(4, () => JSON.parse(key(random))).join('.'))
  const values = `{${random.list(3, () => `${path()}:[${JSON.stringify(random.pick(TYPES))}]`).join()}}`
  const references = `{${random.list(3, () => `${path()}:[${random.list(3, path).join()}]`).join()}}`
  const v = random.pick([0, 1, 2])
  return `{"rich":{"json":${json(random)},"meta":{"v":${v},"values":${values},"referentialEqualities":${references}}}}`
}

const VIEWS = [
  'Buffer',
  'ArrayBuffer',
  'DataView',
  'Uint8Array',
  'Float64Array',
  'BigInt64Array',
  'Int16Array',
  'x',
  '__proto__',
]

export function binary(random: Random): string {
  const data = random.oneIn(3)
    ? leaf(random)
    : JSON.stringify('AQIDBAUGBwg='.repeat(random.below(4)).slice(random.below(4)))
  const form = `{"type":${random.oneIn(8) ? leaf(random) : JSON.stringify(random.pick(VIEWS))},"data":${data}}`
  return `{"rich":{"json":[${form}],"meta":{"v":2,"values":{"0":["binary"]}}}}`
}

/** Any value that can be sent, and some that contain themselves. */
export function value(random: Random, depth = 3): unknown {
  const all: unknown[] = []
  const make = (left: number): unknown => {
    const kind = left === 0 ? random.below(9) : random.below(16)
    if (all.length > 0 && random.oneIn(12)) return random.pick(all)
    const keep = <T>(made: T): T => {
      all.push(made)
      return made
    }
    switch (kind) {
      case 0:
        return new Date(random.below(2 ** 31))
      case 1:
        return random.pick([undefined, Number.NaN, -0, Number.POSITIVE_INFINITY, null, true])
      case 2:
        return BigInt(random.next()) ** BigInt(random.below(6))
      case 3:
        return Buffer.from([random.below(256), random.below(256)])
      case 4:
        return new Float64Array([random.below(9), -0])
      case 5:
        return new URL(`http://host/${random.below(9)}`)
      case 6:
        return new RegExp(random.pick(['a', '\\/', '[/]', '(b|c)+']), random.pick(['', 'g', 'iu']))
      case 7:
        return random.below(1_000)
      case 8:
        return random.pick(['', 'text', 'a.b', '\u0000', '😀', '\ud800'])
      case 9:
      case 10: {
        const list: unknown[] = keep([])
        for (let length = random.below(4); length > 0; length--) list.push(make(left - 1))
        if (random.oneIn(8)) list.length += 2
        return list
      }
      case 11: {
        const map = keep(new Map<unknown, unknown>())
        for (let size = random.below(3); size > 0; size--) map.set(make(left - 1), make(left - 1))
        return map
      }
      case 12: {
        const set = keep(new Set<unknown>())
        for (let size = random.below(3); size > 0; size--) set.add(make(left - 1))
        return set
      }
      case 13: {
        const error = keep(new Error(String(random.below(9))))
        Object.assign(error, { stack: 'at', code: make(left - 1) })
        if (random.oneIn(2))
          Object.defineProperty(error, 'cause', { value: make(left - 1), configurable: true, writable: true })
        return error
      }
      default: {
        const object: Record<string, unknown> = keep({})
        for (let size = random.below(4); size > 0; size--) {
          const name = JSON.parse(key(random)) as string
          if (name !== '__proto__') object[name] = make(left - 1)
        }
        return object
      }
    }
  }
  return make(depth)
}

/** Up to 100 kB, of whatever is slow to read: deep, wide, long, or compiled. */
export function large(random: Random): string {
  const size = 1_000 + random.below(99_000)
  const annotated = (json: readonly string[], type: string): string => {
    const values = json.map((_, index) => `"${index}":["${type}"]`).join()
    return `{"rich":{"json":[${json.join()}],"meta":{"v":2,"values":{${values}},"refs":${type === 'ref' || random.oneIn(2)}}}}`
  }
  const fill = (entry: (index: number) => string, each: number): string[] =>
    Array.from({ length: Math.floor(size / each) }, (_, index) => entry(index))
  switch (random.below(22)) {
    case 0:
      return annotated(
        fill((index) => `"/a${index % 100}(b|c)*/"`, 36),
        'regexp',
      )
    case 1:
      return annotated(
        fill(() => '"a:b"', 20),
        'URL',
      )
    case 2:
      return annotated([`"http://${'xn--a.'.repeat(size / 6)}"`], 'URL')
    case 3:
      return annotated([`"http://h/${'../'.repeat(size / 3)}"`], 'URL')
    case 4:
      return annotated(
        fill(() => `"${'9'.repeat(1_000)}"`, 1_018),
        'bigint',
      )
    case 5:
      return annotated(
        fill(() => '{"name":"E","message":"","own":{}}', 50),
        'error',
      )
    case 6:
      return annotated(
        fill(() => '0', 16),
        'ref',
      )
    case 7: {
      const depth = Math.min(Math.floor(size / 14), 4_090)
      const opened = '["set",{"0":'.repeat(depth - 1)
      return `{"rich":{"json":${'['.repeat(depth)}${']'.repeat(depth)},"meta":{"v":2,"values":${opened}["set"]${'}]'.repeat(depth - 1)}}}}`
    }
    case 8:
      return `{"plain":${'['.repeat(size / 2)}${']'.repeat(size / 2)}}`
    case 9:
      return `{"plain":{${fill((index) => `"k${index}":[]`, 11).join()}}}`
    case 10:
      return `{"plain":"${'\\u0001'.repeat(size / 6)}"}`
    case 11:
      return `{"rich":{"json":[${fill((index) => String(index * 65_536), 10).join()}],"meta":{"v":2,"values":["set"]}}}`
    case 12:
      return annotated(
        fill(() => '{"type":"Float64Array","data":""}', 48),
        'binary',
      )
    case 13:
      return `{"rich":{"json":[{"type":"BigInt64Array","data":"${'A'.repeat(size - (size % 32))}"}],"meta":{"v":2,"values":{"0":["binary"]}}}}`
    case 14:
      return annotated(
        fill(() => 'null', 16),
        'hole',
      )
    case 15:
      return annotated([`"/${'(?:a|'.repeat(150)}b${')'.repeat(150)}/"`], 'regexp')
    case 16:
      return `{"rich":{"json":{"name":"${'n'.repeat(size / 2)}","message":"m","own":{${fill((index) => `"p${index}":0`, 22).join()}}},"meta":{"v":2,"values":["error"]}}}`
    case 17:
    case 18:
    case 19:
    case 20:
      return crowded(random, size)
    default:
      return `{"rich":{"json":[${fill(() => '[[],1]', 7).join()}],"meta":{"v":2,"values":["map"]}}}`
  }
}
