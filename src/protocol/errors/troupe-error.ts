import type { Target } from '../address.js'

/** Did the call reach its target? `'maybe'` is the honest answer when nobody can know. */
export type Sent = 'no' | 'maybe' | 'yes'

/** Where a call is, as the process that has it says. */
export type CallStage =
  /** In its mailbox, 1 the next to start, behind calls of these methods, for so many ms. */
  | { readonly kind: 'queued'; readonly position: number; readonly behind: readonly string[]; readonly ms: number }
  /** Its method runs, for so many ms. */
  | { readonly kind: 'running'; readonly ms: number }
  | { readonly kind: 'unknown' }

/** What was known last of a call that failed, and how old that is. */
export interface CallEvidence {
  readonly stage: CallStage
  /** How long ago its process said so, ms. */
  readonly age?: number | undefined
  /** How late the event loop of that process was then, ms. */
  readonly lag?: number | undefined
}

export interface CallDetails {
  readonly target?: Target | undefined
  readonly method?: string | undefined
  readonly sent?: Sent | undefined
}

export abstract class TroupeError extends Error {
  abstract readonly code: string
  readonly target: Target | undefined
  readonly method: string | undefined
  /** `'no'`: certainly never started, safe to send again. */
  readonly sent: Sent
  /** True where the same call may well succeed a moment later and repeating it cannot do it twice. */
  readonly retryable: boolean

  /** What the error was built from, and is sent as. */
  declare readonly details: object

  protected constructor(message: string, details: object, options: ErrorOptions & { retryable?: boolean } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    const call: CallDetails = details
    this.target = call.target
    this.method = call.method
    // Whoever cannot know says 'maybe'; what is raised without a word of it was refused before it was sent.
    this.sent = call.sent ?? 'no'
    this.retryable = options.retryable ?? false
    // Not enumerable: it repeats the fields, and `console.log(error)` should stay readable.
    Object.defineProperty(this, 'details', { enumerable: false, value: details })
  }

  override get name(): string {
    return this.constructor.name
  }
}
