/** Closing is not done in smaller steps than this, ms: timers are no finer, and each has its price. */
const STEP = 20

/** `now` of the connections are due, and the next ones after `wait` ms. */
export interface Step {
  readonly now: number
  readonly wait: number
}

/**
 * Spreads the closing of `count` connections evenly over the `left` ms: the first at once, the last when they are over.
 * Asked anew at every step, so that those that end by themselves, come late or were held up change the pace.
 */
export function nextStep(count: number, left: number): Step {
  if (left <= 0) return { now: count, wait: STEP }
  const gap = left / Math.max(count - 1, 1)
  return gap >= STEP ? { now: 1, wait: gap } : { now: Math.ceil(STEP / gap), wait: STEP }
}
