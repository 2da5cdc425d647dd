import { describe, expect, it } from 'vitest'
import { Report } from '../chaos/report.js'
import { RUNS } from '../chaos/runs/index.js'

// `npm run chaos`, with small counts: what it promises is held to at every commit, and measured by hand.
describe('a cluster that is broken on purpose keeps what was promised', () => {
  it.each(RUNS.map((run) => [`${run.name}: ${run.about}`, run] as const))(
    '%s',
    async (_, run) => {
      const report = new Report(() => {})
      await run.run('brief', report)
      expect(report.missed).toEqual([])
      expect(report.figures.length).toBeGreaterThan(0)
    },
    120_000,
  )
})
