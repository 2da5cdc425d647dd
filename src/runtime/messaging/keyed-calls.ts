import type { FailureFrame, InvokeFrame, ResultFrame } from '../../protocol/frames.js'
import { sizeOfPayload } from '../../protocol/payload-size.js'
import type { Limits } from '../limits.js'

/** What a method answered: the frame that went to its first caller. */
export type KeyedAnswer = ResultFrame | FailureFrame

/** A call that somebody waits for, with a key. */
export type KeyedFrame = InvokeFrame & { readonly key: string; readonly route: number }

export type Arrival =
  /** Nobody has asked for that yet: run it, and `settle` it. */
  | { readonly kind: 'first' }
  /** It runs: the answer goes to this one too. */
  | { readonly kind: 'joined' }
  /** It runs, waits for this very call, and would wait for ever. */
  | { readonly kind: 'cycle' }
  /** It runs, and as many as may wait already. */
  | { readonly kind: 'full' }
  | { readonly kind: 'answered'; readonly answer: KeyedAnswer }

type KeyedLimits = Pick<Limits, 'mailbox' | 'answers' | 'answerBytes'>

/** The first call with a key, while it runs. */
interface Running {
  readonly route: number
  /** Those with the same key that came meanwhile, by route, and get its answer. */
  readonly joined: Map<number, InvokeFrame>
}

/**
 * Calls that carry an idempotency key: of those with the same method and key, the first runs and its answer is everybody's.
 * At most so many join others as the mailbox takes. Answers are remembered for the last keys of this incarnation, and forgotten
 * with it.
 */
export class KeyedCalls {
  readonly #limits: KeyedLimits
  readonly #running = new Map<string, Running>()
  readonly #joined = new Map<number, Running>()
  /** In the order of last use. */
  readonly #answers = new Map<string, { readonly answer: KeyedAnswer; readonly size: number }>()
  #size = 0

  constructor(limits: KeyedLimits) {
    this.#limits = limits
  }

  arrive(frame: KeyedFrame): Arrival {
    const name = nameOf(frame)
    const known = this.#answers.get(name)
    if (known) {
      this.#answers.delete(name)
      this.#answers.set(name, known)
      return { kind: 'answered', answer: known.answer }
    }
    const running = this.#running.get(name)
    if (!running) {
      this.#running.set(name, { route: frame.route, joined: new Map() })
      return { kind: 'first' }
    }
    if (frame.chain?.some(([route]) => route === running.route)) return { kind: 'cycle' }
    if (this.#joined.size >= this.#limits.mailbox) return { kind: 'full' }
    running.joined.set(frame.route, frame)
    this.#joined.set(frame.route, running)
    return { kind: 'joined' }
  }

  /** Does somebody else wait for it too? */
  isShared(frame: KeyedFrame): boolean {
    return (this.#running.get(nameOf(frame))?.joined.size ?? 0) > 0
  }

  /** A call that had joined is given up. False when it had not. */
  leave(route: number): boolean {
    this.#joined.get(route)?.joined.delete(route)
    return this.#joined.delete(route)
  }

  /** The first one has ended, and without an answer is as if it had never been. Gives those who had joined it. */
  settle(frame: KeyedFrame, answer: KeyedAnswer | undefined): InvokeFrame[] {
    const name = nameOf(frame)
    const running = this.#running.get(name)
    if (running?.route !== frame.route) return []
    this.#running.delete(name)
    for (const route of running.joined.keys()) this.#joined.delete(route)
    if (answer) this.#remember(name, answer)
    return [...running.joined.values()]
  }

  #remember(name: string, answer: KeyedAnswer): void {
    const size = sizeOf(answer)
    this.#answers.set(name, { answer, size })
    this.#size += size
    for (const [oldest, { size }] of this.#answers) {
      if (this.#answers.size <= this.#limits.answers && this.#size <= this.#limits.answerBytes) return
      this.#answers.delete(oldest)
      this.#size -= size
    }
  }
}

export function isKeyed(frame: InvokeFrame): frame is KeyedFrame {
  return frame.key !== undefined && frame.route !== undefined
}

/** One text for both, whatever is in them. */
function nameOf({ method, key }: KeyedFrame): string {
  return JSON.stringify([method, key])
}

function sizeOf(answer: KeyedAnswer): number {
  return answer.kind === 'result' ? sizeOfPayload(answer.payload) : JSON.stringify(answer.error).length
}
