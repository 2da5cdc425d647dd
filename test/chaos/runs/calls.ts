import type { Report, Run } from '../report.js'
import { runProgram } from './run-program.js'

/** Calls whose worker is killed. */
const KILLS = { brief: 10, quick: 100, full: 1_000 }
/** Casts of 1 KiB to a worker that is stopped. */
const CASTS = { brief: 20_000, quick: 200_000, full: 200_000 }

/** From the SIGKILL to the caller's rejection, ms. */
const REJECTED_WITHIN = 50
const GROWTH = 20e6

interface Casts {
  /** By the error's code, `sent` for none. */
  readonly outcomes: Record<string, number>
  /** Bytes that the primary's memory grew by, at most. */
  readonly growth: number
  readonly dropped: number
}

interface Result {
  readonly delays: readonly { readonly outcome: string; readonly ms: number }[]
  readonly fromPrimary: Casts
  readonly fromWorker: Casts
}

export const calls: Run = {
  name: 'calls',
  about: 'calls to workers that are killed, and casts to one that is stopped',
  async run(size, report) {
    const { delays, fromPrimary, fromWorker } = await runProgram<Result>('calls', [KILLS[size], CASTS[size]])
    const wrong = delays.filter(({ outcome }) => outcome !== 'ERR_WORKER_GONE')
    report.none('calls: not rejected with WorkerGoneError', wrong.length, wrong.map(({ outcome }) => outcome).join())
    const sorted = delays.map(({ ms }) => ms).sort((a, b) => a - b)
    const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN
    const name = `calls: from SIGKILL to the rejection, p99 of ${delays.length}, ms`
    // A process that waits for its turn on a busy core says nothing about us: only the full run is held to it.
    if (size === 'full') report.figure(name, p99.toFixed(1), `at most ${REJECTED_WITHIN}`, p99 <= REJECTED_WITHIN)
    else report.note(name, p99.toFixed(1))
    castsTo('from the primary', CASTS[size], fromPrimary, report)
    castsTo('from a worker', CASTS[size], fromWorker, report)
  },
}

function castsTo(from: string, count: number, { outcomes, growth, dropped }: Casts, report: Report): void {
  const name = `casts ${from} to a stopped worker`
  const settled = Object.values(outcomes).reduce((sum, some) => sum + some, 0)
  report.figure(`${name}: settled`, settled, `${count}, all`, settled === count)
  report.figure(`${name}: growth of the primary, MB`, (growth / 1e6).toFixed(1), 'below 20', growth < GROWTH)
  report.note(`${name}: outcomes`, `${JSON.stringify(outcomes)}, dropped and counted in the primary: ${dropped}`)
}
