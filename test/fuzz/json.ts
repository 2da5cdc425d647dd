import type { Random } from './random.js'

/** Texts of JSON, well-formed or not, of the words that matter here. Texts, because JSON.parse alone makes an own `__proto__`. */

const KEYS = [
  ...['a', 'b', '0', '1', '2', '00', '-1', 'length', 'then', 'toString', 'valueOf', 'constructor', 'prototype'],
  ...[
    '__proto__',
    'polluted',
    'json',
    'meta',
    'values',
    'v',
    'plain',
    'rich',
    'name',
    'message',
    'stack',
    'cause',
    'own',
  ],
  ...['type', 'data', 'kind', 'id', 'code', 'details', 'hasOwnProperty', '__defineGetter__', ''],
]
const LEAVES = [
  ...[
    'null',
    'true',
    'false',
    '0',
    '1',
    '-1',
    '2',
    '7',
    '1e308',
    '-0',
    '0.5',
    '4294967296',
    '1e999',
    '9007199254740993',
  ],
  ...['""', '"a"', '"NaN"', '"-0"', '"Infinity"', '"1"', '"-12"', '"0x10"', '"/a/"', '"/(/"', '"/a/zz"', '"a:b"'],
  ...['"http://x/"', '"2024-01-01"', '"Buffer"', '"Uint8Array"', '"Float64Array"', '"AAAAAAAAAAA="', '"constructor"'],
  ...['"__proto__"', '"\\u0000"', '"\\ud800"', '"then"', '{}', '[]'],
]

export function leaf(random: Random): string {
  return random.pick(LEAVES)
}

export function key(random: Random): string {
  return JSON.stringify(random.pick(KEYS))
}

export function json(random: Random, depth = 4): string {
  if (depth === 0 || random.oneIn(3)) return leaf(random)
  if (random.oneIn(2)) return `[${random.list(4, () => json(random, depth - 1)).join()}]`
  return `{${random.list(4, () => `${key(random)}:${json(random, depth - 1)}`).join()}}`
}

const NOISE = [
  ...[
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '\n',
    '\0',
    'null',
    '"__proto__":',
    '{"polluted":1}',
    '["set"]',
    '["ref"]',
    '1e9',
  ],
  ...['["map"]', '["hole"]', '["error"]', '["binary"]', '["bigint"]', '[["ref"]]', '\u2028', '\ud800', '-', 'e', '00'],
]

/** The same text, spoilt in a few places. */
export function mutate(random: Random, text: string): string {
  let spoilt = text
  for (let times = random.below(4); times >= 0; times--) {
    const at = random.below(spoilt.length + 1)
    const end = Math.min(spoilt.length, at + random.below(8))
    switch (random.below(5)) {
      case 0:
        spoilt = spoilt.slice(0, at) + spoilt.slice(end)
        break
      case 1:
        spoilt = spoilt.slice(0, at) + random.pick(NOISE) + spoilt.slice(at)
        break
      case 2:
        spoilt = spoilt.slice(0, at) + spoilt.slice(at, end) + spoilt.slice(at, end) + spoilt.slice(end)
        break
      case 3:
        spoilt = spoilt.slice(0, at) + String.fromCharCode(random.below(256)) + spoilt.slice(at + 1)
        break
      default: {
        // One value for another.
        const values = [...spoilt.matchAll(/"[^"\\]*"|-?\d+|true|false|null/g)]
        const found = values.length > 0 ? random.pick(values) : undefined
        if (found) spoilt = spoilt.slice(0, found.index) + leaf(random) + spoilt.slice(found.index + found[0].length)
      }
    }
  }
  return spoilt
}
