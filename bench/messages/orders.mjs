// What is sent, what the other side answers, and how the answer is checked: the same for every candidate.

/** @typedef {{ number: number, customer: string, lines: { sku: string, cents: number }[] }} Order */
/** @typedef {{ number: number, due: Date, prices: Map<string, bigint> }} RichOrder */

/**
 * A kind of argument. The same number gives the same argument and has one right answer.
 * @typedef {{ method: string, argument(number: number): unknown, isRight(number: number, answer: any): boolean }} Work
 */

/**
 * What a job is about. `size` is lines of a plain order, bytes of binary.
 * @typedef {{ kind: 'plain' | 'rich' | 'binary' | 'burst' | 'publish' | 'stream', size: number }} Kind
 */

/**
 * @param {Kind & { receivers: number }} job
 * @returns {Work}
 */
export function workOf({ kind, size, receivers }) {
  if (kind === 'plain') return orders(size)
  if (kind === 'rich') return richOrders()
  if (kind === 'binary') return bytes(size)
  // A burst answers with its own number, a publish with the number of those who have handled it, a stream with its length.
  const answer = { burst: undefined, publish: receivers, stream: ITEMS }[kind]
  return { method: kind, argument: (number) => number, isRight: (number, got) => got === (answer ?? number) }
}

/** Of one stream. */
export const ITEMS = 1_000

/**
 * An order of `lines` lines: 2 make 109 bytes of JSON, 311 make 10 kB, 31 250 make 1 MB. Its lines are shared by all orders,
 * so that making one costs nothing.
 * @param {number} lines
 * @returns {Work}
 */
function orders(lines) {
  const shared = Array.from({ length: lines }, (_, line) => ({
    sku: `tea-${String(line).padStart(5, '0')}`,
    cents: 100 + (line % 900),
  }))
  const sum = totalOf(shared)
  return {
    method: 'total',
    argument: (number) => ({ number, customer: 'c-000017', lines: shared }),
    isRight: (number, answer) => answer.number === number && answer.total === sum,
  }
}

/** Values that JSON does not keep. */
function richOrders() {
  const prices = new Map([
    ['tea', 450n],
    ['milk', 120n],
    ['honey', 899n],
  ])
  /** @type {Work} */
  const work = {
    method: 'settle',
    argument: (number) => ({ number, due: dueOf(number), prices }),
    isRight: (number, answer) =>
      answer.number === number &&
      answer.due instanceof Date &&
      answer.due.getTime() === dueOf(number).getTime() + DAY &&
      answer.total === 1_469n,
  }
  return work
}

/** How many arguments of `bytes` there are to take turns: more than are ever in flight, since a write may still read one. */
const BUFFERS = 8

/**
 * Bytes with their number at both ends.
 * @param {number} size
 * @returns {Work}
 */
function bytes(size) {
  const buffers = Array.from({ length: BUFFERS }, () => Buffer.alloc(size, 'tea'))
  return {
    method: 'weigh',
    argument: (number) => {
      const buffer = /** @type {Buffer} */ (buffers[number % BUFFERS])
      buffer.writeUInt32LE(number, 0)
      buffer.writeUInt32LE(number, size - 4)
      return buffer
    },
    isRight: (number, answer) => answer.first === number && answer.last === number && answer.size === size,
  }
}

/** The methods that workers have. */
export const methods = {
  /** @param {Order} order */
  total: ({ number, lines }) => ({ number, total: totalOf(lines) }),
  /** @param {RichOrder} order */
  settle: ({ number, due, prices }) => {
    let total = 0n
    for (const price of prices.values()) total += price
    return { number, due: new Date(due.getTime() + DAY), total }
  },
  /** @param {Uint8Array} bytes */
  weigh: (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const size = bytes.byteLength
    return { first: view.getUint32(0, true), last: view.getUint32(size - 4, true), size }
  },
}

/** For pools that look a method up among a file's exports. */
export const { total } = methods

const DAY = 86_400_000

/** @param {number} number */
const dueOf = (number) => new Date(1_700_000_000_000 + number * 1_000)

/** @param {Order['lines']} lines */
function totalOf(lines) {
  let total = 0
  for (const { cents } of lines) total += cents
  return total
}
