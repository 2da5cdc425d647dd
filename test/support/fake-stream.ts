import type { ByteReceiver, ByteStream } from '../../src/runtime/transports/byte-stream.js'

/** One end of a stream of bytes in this process. What is written arrives in the next turn, in pieces of `chunk` bytes. */
export class FakeStream implements ByteStream {
  unwritten = 0
  other!: FakeStream
  chunk = Number.POSITIVE_INFINITY
  /** While true it takes nothing: what is written stays in its memory. */
  stuck = false
  /** Bytes that were read straight to where they belong. */
  placed = 0
  paused = false
  #receiver: ByteReceiver | undefined
  readonly #out: Buffer[] = []
  readonly #in: Buffer[] = []
  #ending = false
  #dead = false
  #ended = false

  static pair(): readonly [FakeStream, FakeStream] {
    const [left, right] = [new FakeStream(), new FakeStream()]
    left.other = right
    right.other = left
    return [left, right]
  }

  write(bytes: readonly Uint8Array[]): boolean {
    if (this.#dead) return true
    for (const piece of bytes) {
      this.#out.push(Buffer.from(piece))
      this.unwritten += piece.length
    }
    this.pump()
    return !this.stuck
  }

  end(): void {
    this.#ending = true
    this.pump()
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    this.#take()
  }

  receive(receiver: ByteReceiver): void {
    this.#receiver = receiver
  }

  /** Its process dies: what has not left is lost, and so is what it has not read. */
  die(): void {
    this.#dead = true
    this.#out.length = 0
    this.#in.length = 0
    this.#end()
    setImmediate(() => this.other.#end())
  }

  /** Lets what waits go out, in the next turn. */
  pump(): void {
    setImmediate(() => {
      if (this.stuck || this.#dead) return
      const out = Buffer.concat(this.#out.splice(0))
      this.unwritten = 0
      for (let at = 0; at < out.length; at += this.chunk)
        this.other.#in.push(out.subarray(at, Math.min(out.length, at + this.chunk)))
      this.other.#take()
      if (out.length > 0) this.#receiver?.written()
      if (this.#ending) this.other.#end()
    })
  }

  #take(): void {
    while (this.#receiver && !this.paused && this.#in.length > 0) this.#read(this.#receiver, this.#in.shift() as Buffer)
    if (!this.#ended || this.#in.length > 0 || this.paused) return
    const receiver = this.#receiver
    this.#receiver = undefined
    receiver?.closed()
  }

  /** Into the place that the receiver has for it, or into a memory that is used again at once. */
  #read(receiver: ByteReceiver, bytes: Buffer): void {
    const place = receiver.place?.()
    if (!place) {
      const scratch = Buffer.from(bytes)
      try {
        receiver.data(scratch)
      } finally {
        scratch.fill(0xff)
      }
      return
    }
    const count = bytes.copy(place)
    this.placed += count
    if (count < bytes.length) this.#in.unshift(bytes.subarray(count))
    receiver.placed?.(count)
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#take()
  }
}
