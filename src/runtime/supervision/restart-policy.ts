/** The option `restart`: what becomes of a worker that dies unasked. */
export interface RestartOptions {
  /** `permanent`: always. `transient`: unless it exited with code 0. `temporary`: never. Default permanent. */
  readonly policy: 'permanent' | 'transient' | 'temporary'
  /** Restarts of one worker allowed within `within` ms. Default 5 in 30 000. */
  readonly max: number
  /** The window in which restarts are counted, ms. */
  readonly within: number
  /** The first restart in a quiet window is immediate; the pauses before later ones grow. */
  readonly backoff: Backoff
  /**
   * Past the limit: `degrade` leaves the worker failed and tries it at the slowest pace while others serve, `stop` ends the
   * cluster. Default `degrade`. When all are past it, the cluster ends in either case.
   */
  readonly onLimit: 'degrade' | 'stop'
}

export interface Backoff {
  /** Milliseconds before the second restart. Default 100. */
  readonly min: number
  /** The longest pause, ms. Default 10 000. */
  readonly max: number
  /** Each pause is this times the one before. Default 2. */
  readonly factor: number
  /** Each pause varies by up to this share of itself, either way. Default 0.2. */
  readonly jitter: number
}

export const DEFAULT_RESTART: RestartOptions = Object.freeze({
  policy: 'permanent',
  max: 5,
  within: 30_000,
  backoff: Object.freeze({ min: 100, max: 10_000, factor: 2, jitter: 0.2 }),
  onLimit: 'degrade',
})

export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}

export type RestartDecision =
  | { readonly kind: 'restart'; readonly delay: number; readonly attempt: number; readonly history: readonly number[] }
  | { readonly kind: 'limit'; readonly retryAfter: number; readonly history: readonly number[] }
  | { readonly kind: 'leave' }

/**
 * When to start a worker again: a pure function of when it died before. `history`: the monotonic times of this slot's earlier
 * unintended ends; `random`: 0 up to 1.
 *
 * Intensity is OTP's rule (supervisor.erl, `add_restart`): keep the times newer than now - within, add now, and more than
 * `max` means give up. Backoff is min x factor^n, capped, with jitter; the first restart in a quiet window is immediate.
 */
export function decideRestart(
  exit: Exit,
  history: readonly number[],
  now: number,
  options: RestartOptions,
  random: number,
): RestartDecision {
  if (options.policy === 'temporary') return { kind: 'leave' }
  if (options.policy === 'transient' && exit.code === 0) return { kind: 'leave' }
  const recent = [...history.filter((time) => now - time < options.within), now]
  if (recent.length > options.max) return { kind: 'limit', retryAfter: options.backoff.max, history: recent }
  return {
    kind: 'restart',
    delay: backoffDelay(recent.length, options.backoff, random),
    attempt: recent.length,
    history: recent,
  }
}

/** `attempt` 1 is the first restart in the window. */
export function backoffDelay(attempt: number, { min, max, factor, jitter }: Backoff, random: number): number {
  if (attempt <= 1) return 0
  const delay = Math.min(max, min * factor ** (attempt - 2))
  return Math.min(max, delay * (1 + jitter * (2 * random - 1)))
}
