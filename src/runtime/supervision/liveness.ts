/**
 * Who has been silent for too long: a pure function of how long, and of who else serves. The heartbeat only carries it out.
 */

/** One worker that serves. */
export interface Life {
  readonly incarnation: number
  /** Milliseconds since its last sign of life. */
  readonly silent: number
  /** It gets connections and calls to `'any'`. */
  readonly inRotation: boolean
}

export interface LivenessLimits {
  /** `timeouts.heartbeat`. */
  readonly heartbeat: number
  /** `timeouts.blocked`. */
  readonly blocked: number
}

export interface Consequences {
  /** Out of rotation with these. The last one in rotation stays there: a late answer is better than none. */
  readonly out: readonly number[]
  /** The one to be killed. Never two at once: what silences several at a time is most likely not their fault. */
  readonly kill: number | undefined
}

/** `killing`: one has been killed, and its place is not filled again. */
export function consequences(lives: readonly Life[], limits: LivenessLimits, killing: boolean): Consequences {
  const longestFirst = [...lives].sort((a, b) => b.silent - a.silent)
  const overdue = longestFirst.filter(({ silent, inRotation }) => inRotation && silent >= limits.heartbeat)
  const serving = lives.filter(({ inRotation }) => inRotation).length
  const [worst] = longestFirst
  return {
    out: overdue.slice(0, Math.max(0, serving - 1)).map(({ incarnation }) => incarnation),
    kill: !killing && worst && worst.silent >= limits.blocked ? worst.incarnation : undefined,
  }
}
