/**
 * A two-way stream of bytes, as `StreamTransport` needs one: a unix socket, or one of a simulation. It is open from the
 * beginning; `closed` is told once, after the last bytes that arrived.
 */
export interface ByteStream {
  /** Takes the bytes, in order. False: enough for now, until `written` has been told with nothing left in `unwritten`. */
  write(bytes: readonly Uint8Array[]): boolean
  /** Bytes that have been taken and are still in this process's memory. */
  readonly unwritten: number
  /** No more `data`, for now: whoever writes at the other end is held up. */
  pause(): void
  resume(): void
  /** No more is written; what has been taken still goes out. */
  end(): void
  receive(receiver: ByteReceiver): void
}

export interface ByteReceiver {
  /** The memory of the bytes may be used again as soon as this returns. */
  data(bytes: Buffer): void
  /** Where the next bytes belong, if there is such a place: a stream that can, reads them there and says how many came. */
  place?(): Uint8Array | undefined
  placed?(count: number): void
  /** Some of what was taken has left. */
  written(): void
  closed(): void
}
