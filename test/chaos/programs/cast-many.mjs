// What a careless program does: used by both sides of the run `calls`.

/**
 * Casts that nobody awaits one by one, as a careless program sends them: what becomes of each.
 * @param {{ cast: (target: any, method: any, args: any) => Promise<void> }} cluster @param {number} target @param {number} count @param {number} size
 */
export async function castMany(cluster, target, count, size) {
  const text = 'x'.repeat(size)
  /** @type {Record<string, number>} */
  const outcomes = {}
  /** @param {string} outcome */
  const note = (outcome) => {
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    if (++settled === count) done()
  }
  let settled = 0
  /** @type {(value?: unknown) => void} */
  let done = () => {}
  const all = new Promise((resolve) => {
    done = resolve
  })
  for (let sent = 0; sent < count; sent++) {
    cluster.cast(target, 'take', [text]).then(
      () => note('sent'),
      (error) => note(error.code),
    )
    // A program that never lets its event loop turn could not hear of anything.
    if (sent % 100 === 99) await new Promise(setImmediate)
  }
  await all
  return outcomes
}
