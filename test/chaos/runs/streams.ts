import type { Report, Run } from '../report.js'
import { runProgram } from './run-program.js'

/** Items for a reader that pauses for 10 ms after every thousand. */
const SLOW = { brief: 20_000, quick: 200_000, full: 1_000_000 }
/** Items for one that does not. */
const FAST = { brief: 20_000, quick: 200_000, full: 1_000_000 }
/** Bytes. A process that kept the items would grow by more than a hundred million in the full run. */
const GROWTH = 4e6

interface Memory {
  /** After a garbage collection. */
  readonly live: number
  readonly rss: number
}

interface Reading {
  readonly items: number
  readonly misplaced: number
  readonly ms: number
}

interface Watched extends Reading {
  /** Of each process, all the while. */
  readonly samples: readonly Record<string, Memory>[]
}

interface Result {
  readonly slow: Record<string, Watched>
  readonly fast: Record<string, Reading>
}

export const streams: Run = {
  name: 'streams',
  about: 'streams to slow readers, and to fast ones',
  async run(size, report) {
    const { slow, fast } = await runProgram<Result>('streams', [SLOW[size], FAST[size]])
    for (const [by, watched] of Object.entries(slow)) {
      const name = `streams: slow, ${by}`
      whole(name, watched, SLOW[size], report)
      for (const process of Object.keys(watched.samples[0] ?? {})) {
        const of = (kind: keyof Memory): number[] => watched.samples.map((sample) => sample[process]?.[kind] ?? 0)
        const [live, rss] = [growth(of('live')), growth(of('rss'))]
        const value = `${megabytes(live)} (RSS ${megabytes(rss)})`
        report.figure(`${name}: live memory that the ${process} grew by, MB`, value, 'below 4', live < GROWTH)
      }
      report.note(`${name}: took, s`, (watched.ms / 1_000).toFixed(1))
    }
    for (const [by, reading] of Object.entries(fast)) {
      const name = `streams: fast, ${by}`
      whole(name, reading, FAST[size], report)
      report.note(`${name}: items of 100 bytes per second`, Math.round((reading.items / reading.ms) * 1_000))
    }
  },
}

function whole(name: string, { items, misplaced }: Reading, sent: number, report: Report): void {
  report.figure(`${name}: items read`, items, `${sent}, all`, items === sent)
  report.none(`${name}: items out of order`, misplaced)
}

/** From the first to the largest. */
const growth = (sizes: readonly number[]): number => Math.max(...sizes) - (sizes[0] ?? 0)

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1)
