// The load that every candidate gets: so many calls in flight, each answer checked, each call a promise of its own. It runs
// in whichever process calls: the primary, or a worker.

/**
 * @typedef {object} Load
 * @property {number} inFlight
 * @property {number} first the number of the first call
 * @property {number} [operations] ends after so many calls: a warm-up
 * @property {number} [seconds] ends after so long
 */

/** @typedef {{ operations: number, seconds: number, latency?: { p50: number, p99: number } }} Driven */

/**
 * Calls until the load is done and every call is answered. Throws at the first answer that is wrong.
 *
 * One loop for each place in flight, which awaits its answer before it calls again: what a program does that serves that
 * many requests at once.
 * @param {Load} load
 * @param {import('./orders.mjs').Work} work
 * @param {(argument: any) => Promise<unknown>} call
 * @returns {Promise<Driven>}
 */
export async function drive({ inFlight, first, operations = Number.POSITIVE_INFINITY, seconds }, work, call) {
  const start = performance.now()
  const end = seconds === undefined ? Number.POSITIVE_INFINITY : start + seconds * 1_000
  const last = first + operations
  /** @type {number[] | undefined} in ms; with others in flight it would be the time in a queue that we made ourselves */
  const latencies = inFlight === 1 ? [] : undefined
  let next = first

  async function lane() {
    for (let now = performance.now(); next < last && now < end; ) {
      const number = next++
      const answer = await call(work.argument(number))
      if (!work.isRight(number, answer)) throw new Error(`Expected the answer to ${number}, got ${brief(answer)}`)
      const answered = performance.now()
      latencies?.push(answered - now)
      now = answered
    }
  }

  await Promise.all(Array.from({ length: inFlight }, lane))
  const took = (performance.now() - start) / 1_000
  return { operations: next - first, seconds: took, ...(latencies && { latency: summary(latencies) }) }
}

/** @param {number[]} latencies in ms */
function summary(latencies) {
  const sorted = Float64Array.from(latencies).sort()
  return { p50: percentile(sorted, 0.5) * 1_000, p99: percentile(sorted, 0.99) * 1_000 }
}

/**
 * The least value that `share` of all are not above (nearest rank).
 * @param {ArrayLike<number>} sorted
 * @param {number} share of 1
 */
export function percentile(sorted, share) {
  return /** @type {number} */ (sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)])
}

/** @param {unknown} value */
function brief(value) {
  return (JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part)) ?? 'nothing').slice(0, 200)
}
