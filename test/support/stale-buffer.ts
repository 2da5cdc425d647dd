/** What was read in a buffer that is larger, as Node 26 gives it, with what had been read into it before at its end. */
export function inLargerBuffer(bytes: Uint8Array): ArrayBuffer {
  const stale = new TextEncoder().encode('"stale"\n{"cmd":"NODE_TROUPE","handle":1,"frames":["stale"]}\n')
  const buffer = new Uint8Array(bytes.length + stale.length)
  buffer.set(bytes)
  buffer.set(stale, bytes.length)
  return buffer.buffer
}
