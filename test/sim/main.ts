import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type BatchReport, describeFailure, runBatch } from './batch.js'
import { runSeed } from './run-seed.js'

/*
 * Runs the simulation with many seeds, on all cores, and prints what it found:
 *
 *   npm run test:sim                                  10 000 seeds, from 1
 *   npm run test:sim -- --seeds 500 --from 7000
 *   npm run test:sim -- --seed 4711                   one seed; with --trace all that happened in it
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
})
/** Failing seeds whose numbers are printed. */
const NUMBERS = 50

// Thousands of errors are made that nobody reads the stacks of.
process.setSourceMapsEnabled(false)
Error.stackTraceLimit = 3

if (values.seed) await one(Number(values.seed))
else if (process.send) process.once('message', (share) => void work(share as Share))
else await many(Number(values.from), Number(values.seeds), Number(values.jobs))

interface Share {
  readonly from: number
  readonly to: number
  readonly step: number
}

async function one(seed: number): Promise<void> {
  if (values.trace) console.log((await runSeed(seed)).trace())
  const failure = await describeFailure(seed)
  console.log(failure ?? `seed ${seed} holds`)
  process.exitCode = failure === undefined ? 0 : 1
}

/** In a child: its share of the seeds. */
async function work({ from, to, step }: Share): Promise<void> {
  process.send?.(await runBatch(from, to, step))
  process.disconnect()
}

async function many(from: number, seeds: number, jobs: number): Promise<void> {
  const start = performance.now()
  const shares = Array.from({ length: jobs }, (_, n) => ({ from: from + n, to: from + seeds - 1, step: jobs }))
  const reports = await Promise.all(shares.map(give))
  const seconds = (performance.now() - start) / 1_000
  const sum = (of: (report: BatchReport) => number): number => reports.reduce((total, report) => total + of(report), 0)
  const failed = reports.flatMap((report) => report.failed).sort((a, b) => a - b)
  for (const text of reports.flatMap(({ shown }) => shown)) console.log(`${text}\n`)
  console.log(`seeds        ${seeds}, ${failed.length} of them failed`)
  console.log(
    `time         ${seconds.toFixed(1)} s on ${jobs} cores, for ${(sum(({ duration }) => duration) / 3_600_000).toFixed(1)} virtual hours`,
  )
  console.log(`calls        ${sum(({ calls }) => calls)}`)
  for (const [name, count] of outcomesOf(reports)) console.log(`  ${name.padEnd(36)} ${count}`)
  console.log(`processes    ${sum(({ forks }) => forks)}`)
  console.log(`events       ${sum(({ events }) => events)}`)
  if (failed.length > 0) console.log(`failed       ${failed.slice(0, NUMBERS).join(' ')}`)
  process.exitCode = failed.length > 0 ? 1 : 0
}

async function give(share: Share): Promise<BatchReport> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), { execArgv: process.execArgv })
  child.send(share)
  const gone = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`A process of the simulation ended with ${code ?? signal}`)
  })
  const [report] = (await Promise.race([once(child, 'message'), gone])) as [BatchReport]
  gone.catch(() => {})
  return report
}

function outcomesOf(reports: readonly BatchReport[]): [string, number][] {
  const all = new Map<string, number>()
  for (const { outcomes } of reports)
    for (const [name, count] of Object.entries(outcomes)) all.set(name, (all.get(name) ?? 0) + count)
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1))
}
