import { batchForNode, isBatch, writeBatch } from '../../protocol/codec.js'
import type { Batch } from '../../protocol/frames.js'

/*
 * Node answers every message that brings a handle with one of its own (`NODE_HANDLE_ACK`), and only then hands the message on.
 * For a connection that is handed over, which a worker answers too, that would be three messages. So a worker takes ours before
 * node sees them, and what it says of the connection leaves in node's answer; the primary reads it there.
 */

/** What is listened to: all that comes below the messages of the program. */
export type InternalListener = (message: unknown, handle?: unknown) => void

const HANDLE_ACK = 'NODE_HANDLE_ACK'

/** What such a message is called once it has been taken, so that node passes over it. */
const PASSED_OVER = 'NODE_TROUPE_HANDLE'

/** What is said of a connection. All else keeps its place among what waits to be written, ahead of which answers go. */
const SAID_OF_HANDLES: ReadonlySet<string> = new Set(['taken', 'refused'])

type InternalMessage = {
  cmd?: unknown
  readonly type?: unknown
  readonly msg?: unknown
  readonly frames?: unknown
} | null

/** A worker's side. */
export class HandleAnswers {
  readonly #answer: (message: object) => void
  #isOwed = false

  /** `answer` sends one that says nothing more. */
  constructor(answer: (message: object) => void) {
    this.#answer = answer
  }

  /** Gives the listener what has come: of ours with a handle the batch and the handle, else the message as it is. */
  take(message: unknown, handle: unknown, listener: InternalListener): void {
    const wrapped = message as InternalMessage
    // One without its handle is node's to complain of.
    if (wrapped?.cmd !== 'NODE_HANDLE' || wrapped.type !== 'net.Native' || !handle || !isBatch(wrapped.msg))
      return listener(message, handle)
    wrapped.cmd = PASSED_OVER
    this.#isOwed = true
    try {
      listener(wrapped.msg, handle)
    } finally {
      if (this.#isOwed) {
        this.#isOwed = false
        this.#answer({ cmd: HANDLE_ACK })
      }
    }
  }

  /** The answer that is owed, with the batch in it; undefined when none is, or the batch may not go there. */
  answerWith(batch: Batch<{ readonly kind: string }>): object | undefined {
    if (!this.#isOwed || !batch.frames.every(({ kind }) => SAID_OF_HANDLES.has(kind))) return undefined
    return { cmd: HANDLE_ACK, frames: batchForNode(batch).frames }
  }

  /** What `answerWith` gave has been sent. */
  answered(): void {
    this.#isOwed = false
  }
}

/** The primary's side: the batch in an answer that brings one. Node has seen it before, and taken the answer. */
export function readAnswer(message: unknown): unknown {
  const answer = message as InternalMessage
  return answer?.cmd === HANDLE_ACK && Array.isArray(answer.frames) ? writeBatch(answer.frames) : message
}
