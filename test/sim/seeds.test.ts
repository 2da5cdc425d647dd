import { expect, test } from 'vitest'
import { runBatch } from './batch.js'

/** In the time that a run of the checks may take. `npm run test:sim` runs ten times as many. */
const SEEDS = 1_000

test(`${SEEDS} seeds hold every invariant`, { timeout: 600_000 }, async () => {
  const { stackTraceLimit } = Error
  // Thousands of errors are made that nobody reads the stacks of.
  Error.stackTraceLimit = 3
  try {
    const { seeds, shown } = await runBatch(1, SEEDS, 1)
    expect(shown.join('\n\n')).toBe('')
    expect(seeds).toBe(SEEDS)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
})
