/**
 * One end of a link: a two-way, ordered pipe of frames between two processes.
 *
 * The contract, which `test/contracts/transport.contract.ts` holds every implementation to:
 * - Frames arrive in the order in which they were sent, each at most once; a link that dies loses a tail, never a middle.
 * - `send` never throws and never blocks. After the end it does nothing.
 * - `closed` is reported once, after the last frame that arrived; whoever opened the link then settles what waited on it.
 * - `full` is true while the frames not yet written have reached the link's limit. Whoever sends data looks at it first
 *   and refuses with a typed error; control frames (replies, cancels, the hand-shake) are sent regardless.
 */
export interface Transport<Out, In> {
  send(frame: Out): void
  /** Sends a frame on its own, at once, ahead of what waits to be written. */
  sendNow(frame: Out, options?: SendNowOptions): void
  receive(receiver: Receiver<In>): void
  readonly full: boolean
  /** Bytes of values that wait to be written, near enough: those of streams, which are not refused for it, too. */
  readonly held: number
  /** Resolves when what was sent so far has left this process's memory (or the link has ended); undefined when it has. */
  flushed(): Promise<void> | undefined
  /** Takes back the first frame of these that waits to be written. */
  drop(matches: (frame: Out) => boolean): Out | undefined
  close(): void
}

/** Why a frame was not written. */
export const linkEnded = (): Error => new Error('The link has ended')

export interface SendNowOptions {
  /** A socket that goes along as a duplicate: the sender still owns its own, and closes it by `whenSent`. */
  readonly handle?: unknown
  /**
   * Called once, when the frame has left this process's memory: it will arrive whatever becomes of the sender, or, with an error, it
   * will not.
   */
  readonly written?: (error?: Error) => void
}

export interface Receiver<In> {
  /** A frame may come without the handle that it was sent with, when this process had no descriptor left. */
  frame(frame: In, handle?: unknown): void
  /** A handle that was sent did not arrive, nor did its frame: the other process had no descriptor left, or it could not be written. */
  handleLost?(): void
  /** The other side cannot be heard any more. */
  closed(): void
}
