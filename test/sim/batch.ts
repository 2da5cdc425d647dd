import { runSeed } from './run-seed.js'

/** What many seeds came to. Plain data: it crosses from one process to another. */
export interface BatchReport {
  readonly seeds: number
  readonly calls: number
  readonly forks: number
  readonly events: number
  /** Virtual ms. */
  readonly duration: number
  readonly outcomes: Readonly<Record<string, number>>
  /** The first that failed in full, and the numbers of all. */
  readonly shown: readonly string[]
  readonly failed: readonly number[]
}

/** Failing seeds that are told in full, and lines of their traces. */
const SHOWN = 3
const TAIL = 40

/** Runs every `step`-th seed from `from` to `to`. */
export async function runBatch(from: number, to: number, step: number): Promise<BatchReport> {
  const sums = { seeds: 0, calls: 0, forks: 0, events: 0, duration: 0 }
  const outcomes: Record<string, number> = {}
  const shown: string[] = []
  const failed: number[] = []
  for (let seed = from; seed <= to; seed += step) {
    const told = await describeFailure(seed, (report) => {
      sums.seeds++
      sums.calls += report.calls
      sums.forks += report.forks
      sums.events += report.events
      sums.duration += report.duration
      for (const [name, count] of report.outcomes) outcomes[name] = (outcomes[name] ?? 0) + count
    })
    if (told === undefined) continue
    failed.push(seed)
    if (shown.length < SHOWN) shown.push(told)
  }
  return { ...sums, outcomes, shown, failed }
}

/** Why a seed fails, how to repeat it and how it ended; undefined when it holds. */
export async function describeFailure(
  seed: number,
  add: (report: Awaited<ReturnType<typeof runSeed>>) => void = () => {},
): Promise<string | undefined> {
  const repeat = `seed ${seed} fails. Repeat it with: npm run test:sim -- --seed ${seed}`
  try {
    const report = await runSeed(seed)
    add(report)
    if (report.violations.length === 0) return undefined
    const said = report.violations.slice(0, 10).map(({ invariant, what }) => `  ${invariant}: ${what}`)
    return [repeat, ...said, report.trace(TAIL)].join('\n')
  } catch (error) {
    return `${repeat}\n${(error as Error).stack}`
  }
}
