/** Bytes that have arrived in pieces and are taken in lengths of somebody else's choice. */
export class Chunks {
  #pieces: Buffer[] = []
  /** Of the first piece, what has been taken. */
  #offset = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  add(bytes: Buffer): void {
    this.#pieces.push(bytes)
    this.#length += bytes.length
  }

  /** What is left of the bytes that were added last is copied. */
  keep(): void {
    const last = this.#pieces.length - 1
    const piece = this.#pieces[last]
    if (!piece) return
    this.#pieces[last] = Buffer.from(last === 0 ? piece.subarray(this.#offset) : piece)
    if (last === 0) this.#offset = 0
  }

  /** A number that is `at` bytes ahead; there must be so many. */
  peek(at: number): number {
    let offset = this.#offset + at
    const first = this.#pieces[0] as Buffer
    if (offset + 4 <= first.length) return first.readUInt32BE(offset)
    const bytes: number[] = []
    for (const piece of this.#pieces) {
      for (; offset < piece.length && bytes.length < 4; offset++) bytes.push(piece[offset] as number)
      offset -= Math.min(offset, piece.length)
    }
    return Buffer.from(bytes).readUInt32BE(0)
  }

  skip(length: number): void {
    this.#take(length, () => {})
  }

  takeText(length: number): string {
    const first = this.#pieces[0]
    if (first && this.#offset + length <= first.length) {
      const text = first.toString('utf8', this.#offset, this.#offset + length)
      this.skip(length)
      return text
    }
    const bytes = Buffer.allocUnsafe(length)
    this.takeInto(bytes, 0)
    return bytes.toString()
  }

  /** Fills it from there on, as far as there is anything. Gives how far it is filled then. */
  takeInto(bytes: Uint8Array, from: number): number {
    let at = from
    this.#take(Math.min(this.#length, bytes.length - from), (piece) => {
      bytes.set(piece, at)
      at += piece.length
    })
    return at
  }

  #take(length: number, each: (piece: Uint8Array) => void): void {
    this.#length -= length
    let left = length
    let used = 0
    while (left > 0) {
      const piece = this.#pieces[used] as Buffer
      const end = Math.min(piece.length, this.#offset + left)
      each(this.#offset === 0 && end === piece.length ? piece : piece.subarray(this.#offset, end))
      left -= end - this.#offset
      this.#offset = end
      if (end < piece.length) break
      this.#offset = 0
      used++
    }
    if (used > 0) this.#pieces.splice(0, used)
  }
}
