/**
 * Is it the same value, in the same order, with the same things in it, and itself in the same places? Node's own comparison
 * overflows on a Set that contains itself.
 */
export function same(sent: unknown, back: unknown, met = new Map<object, object>()): boolean {
  if (typeof sent !== 'object' || sent === null || typeof back !== 'object' || back === null)
    return Object.is(sent, back)
  if (met.get(sent) === back) return true
  met.set(sent, back)
  if (Object.getPrototypeOf(sent) !== Object.getPrototypeOf(back)) return false
  if (ArrayBuffer.isView(sent)) return Buffer.compare(bytesOf(sent), bytesOf(back as ArrayBufferView)) === 0
  if (sent instanceof Date) return sent.getTime() === (back as Date).getTime()
  if (sent instanceof RegExp || sent instanceof URL) return String(sent) === String(back)
  const [left, right] = [partsOf(sent), partsOf(back)]
  return left.length === right.length && left.every((part, index) => same(part, right[index], met))
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function partsOf(value: object): unknown[] {
  if (value instanceof Map) return [...value].flat()
  if (value instanceof Set) return [...value]
  // An array's length is among them, an Error's message, stack and cause.
  return Object.getOwnPropertyNames(value)
    .sort()
    .flatMap((name) => [name, (value as Record<string, unknown>)[name]])
}
