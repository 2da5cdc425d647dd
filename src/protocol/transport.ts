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
  receive(receiver: Receiver<In>): void
  readonly full: boolean
  /** Resolves when what was sent so far has left this process's memory (or the link has ended). */
  flushed(): Promise<void>
  close(): void
}

export interface Receiver<In> {
  frame(frame: In): void
  /** The other side cannot be heard any more. */
  closed(): void
}
