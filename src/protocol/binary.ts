/**
 * Buffers, typed arrays, DataView and ArrayBuffer on the wire: their kind and their bytes in base64. A view
 * arrives with a memory of its own, whatever it was a window on.
 */
export interface BinaryRecord {
  readonly type: string
  readonly data: string
}

type Binary = ArrayBufferView | ArrayBuffer

type View = new (buffer: ArrayBuffer, offset?: number, length?: number) => ArrayBufferView
const views = new Map<string, { readonly make: View; readonly width: number }>(
  [
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
  ].map((make) => [make.name, { make: make as View, width: make.BYTES_PER_ELEMENT }]),
)
// Of Node 24 and newer.
const { Float16Array } = globalThis as { Float16Array?: View & { readonly BYTES_PER_ELEMENT: number } }
if (Float16Array) views.set('Float16Array', { make: Float16Array, width: Float16Array.BYTES_PER_ELEMENT })
views.set('DataView', { make: DataView as View, width: 1 })

export function isBinary(value: unknown): value is Binary {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer
}

export function toBinaryRecord(value: Binary): BinaryRecord {
  // Only the view's own bytes: a small Buffer is a window on a pool that holds other people's data.
  const { buffer, byteOffset, byteLength } = viewOf(value)
  return { type: kindOf(value), data: Buffer.from(buffer, byteOffset, byteLength).toString('base64') }
}

export function viewOf(value: Binary): ArrayBufferView {
  return value instanceof ArrayBuffer ? new Uint8Array(value) : value
}

/**
 * Allocates no more than the text justifies, and nothing for a `part`, which came as bytes in a memory of its own. Throws a
 * plain Error on a record that does not fit its kind.
 */
export function fromBinaryRecord(record: unknown, part?: Uint8Array): unknown {
  const { type, data } = (record ?? {}) as Partial<Record<keyof BinaryRecord, unknown>>
  if (typeof type !== 'string' || (typeof data !== 'string' && !part)) throw new Error('is not a binary value')
  const bytes = part ? Buffer.from(part.buffer, part.byteOffset, part.length) : Buffer.from(data as string, 'base64')
  if (type === 'Buffer') return bytes
  // A buffer of its own: the bytes of a text may be a window on Node's pool, at any alignment.
  const own = part ? (part.buffer as ArrayBuffer) : new Uint8Array(bytes).buffer
  if (type === 'ArrayBuffer') return own
  const view = views.get(type)
  if (!view || own.byteLength % view.width !== 0) throw new Error(`is no binary value of type ${JSON.stringify(type)}`)
  return new view.make(own)
}

export function kindOf(value: Binary): string {
  if (value instanceof ArrayBuffer) return 'ArrayBuffer'
  if (Buffer.isBuffer(value)) return 'Buffer'
  // The nearest known class, so that a subclass arrives as what it extends.
  for (const [type, { make }] of views) if (value instanceof make) return type
  return 'Uint8Array'
}
