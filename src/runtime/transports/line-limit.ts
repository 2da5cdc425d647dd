/*
 * How long one message may be as it is written: a line of JSON. Whoever sends a longer one is told so by `process.send`
 * itself, and whoever writes one all the same is stopped before node has parsed it.
 */

/** A text that the primary passes on is escaped once more: twice the payload. */
const ESCAPING = 2
/** The rest of the frame: names, the calls that wait, an error with its causes, items that share a frame. */
const ENVELOPE = 1024 * 1024

/** Bytes of a line, for payloads of at most so many. */
export function lineLimit(payload: number): number {
  return ESCAPING * payload + ENVELOPE
}

export class MessageTooLargeError extends RangeError {
  readonly code = 'ERR_MESSAGE_TOO_LARGE'

  constructor(size: number, limit: number) {
    super(
      `A message of ${size} bytes is larger than ${limit}, the limit of the channel to the other process. Send less, or raise \`limits.payload\``,
    )
  }
}

const NEWLINE = 10

/** Follows the lines of a channel, read in chunks of any size, without looking into them. */
export class LineMeter {
  /** Bytes since the last end of a line. */
  #open = 0

  /** Takes the next chunk; is a line longer than that? */
  exceeds(chunk: Uint8Array, limit: number): boolean {
    // Nearly always: whole lines, all of them together shorter.
    if (this.#open === 0 && chunk.length <= limit && chunk[chunk.length - 1] === NEWLINE) return false
    return this.take(chunk) > limit
  }

  /** Takes the next chunk; gives the bytes of the longest line so far that ends or goes on in it. */
  take(chunk: Uint8Array): number {
    const last = chunk.lastIndexOf(NEWLINE)
    if (last < 0) {
      this.#open += chunk.length
      return this.#open
    }
    const first = chunk.indexOf(NEWLINE)
    const begun = this.#open + first
    this.#open = chunk.length - last - 1
    // What lies between is smaller than a chunk, and a chunk smaller than any limit.
    return Math.max(begun, last - first, this.#open)
  }
}
