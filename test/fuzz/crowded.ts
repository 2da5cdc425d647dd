import type { Random } from './random.js'

/** As V8 hashes small integers in a Set or a Map: without a secret, so that everybody can calculate which ones meet. */
function hash(key: number): number {
  let mixed = ~key + (key << 15)
  mixed ^= mixed >>> 12
  mixed += mixed << 2
  mixed ^= mixed >>> 4
  mixed = Math.imul(mixed, 2_057)
  mixed ^= mixed >>> 16
  return mixed & 0x3fffffff
}

/** They meet in tables of up to so many places, which is what 10 000 entries have. */
const PLACES = 8_192
const MOST = 10_000

const found: string[] = []
let last = 0

/** The first so many integers that all come to one place. */
function meeting(count: number): readonly string[] {
  while (found.length < count) if ((hash(++last) & (PLACES - 1)) === 0) found.push(String(last))
  return found.slice(0, count)
}

/** Up to so many bytes of a Set, or of a Map, whose keys were chosen to hash alike. */
export function crowded(random: Random, size: number): string {
  const big = random.oneIn(2)
  // V8 hashes of a bigint no more than its lowest 64 bits.
  const keys = big
    ? Array.from({ length: Math.floor(size / 42) }, (_, index) => `"${(BigInt(index) << 64n) + 7n}"`)
    : meeting(Math.min(MOST, Math.floor(size / 11)))
  const isMap = random.oneIn(2)
  const step = isMap ? 2 : 1
  const json = isMap ? keys.flatMap((key) => [key, '0']) : keys
  const notes = big ? `,{${keys.map((_, index) => `"${index * step}":["bigint"]`).join()}}` : ''
  const refs = random.oneIn(3) ? ',"refs":true' : ''
  return `{"rich":{"json":[${json.join()}],"meta":{"v":2,"values":["${isMap ? 'map' : 'set'}"${notes}]${refs}}}}`
}
