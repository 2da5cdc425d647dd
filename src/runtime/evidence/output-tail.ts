/** The last bytes that a worker wrote to stderr: what a `BootError` or an `exit` event shows of it. */
export const TAIL_BYTES = 8 * 1024

export class OutputTail {
  #chunks: Buffer[] = []
  #size = 0

  add(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    for (let first = this.#chunks[0]; first && this.#size - first.length >= TAIL_BYTES; first = this.#chunks[0]) {
      this.#chunks.shift()
      this.#size -= first.length
    }
  }

  /** At most `TAIL_BYTES`, from the start of a line where one begins in time. */
  text(): string {
    const all = Buffer.concat(this.#chunks)
    if (all.length <= TAIL_BYTES) return all.toString('utf8')
    const tail = all.subarray(all.length - TAIL_BYTES).toString('utf8')
    const line = tail.indexOf('\n')
    return line >= 0 && line < tail.length - 1 ? tail.slice(line + 1) : tail
  }
}
