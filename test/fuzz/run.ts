import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { polluted } from './oracle.js'
import { Random } from './random.js'
import type { Input, Target } from './targets.js'

export interface FuzzOptions {
  readonly targets: readonly Target[]
  readonly seed: number
  readonly executions: number
  /** Runs this one alone. */
  readonly only?: number | undefined
  readonly progress?: (done: number) => void
}

export interface Failure {
  readonly run: number
  readonly target: string
  readonly input: string
  readonly wrong: string
}

export interface FuzzReport {
  readonly executions: number
  readonly failures: readonly Failure[]
  /** The worst of three more runs of whatever was slowest, ms, and what that was. */
  readonly slowest: { readonly ms: number; readonly run: number; readonly target: string; readonly bytes: number }
  /** Kilobytes resident. */
  readonly before: number
  readonly after: number
}

/** Enough to tell what is broken. */
const MAX_FAILURES = 10
/** Inputs to a turn of the event loop. */
const TURN = 1_000
/** How many of the slowest are run again: the first time, a collection of garbage may have been the slow part. */
const KEPT = 20

interface Timed {
  readonly run: number
  readonly target: Target
  readonly input: Input
  readonly ms: number
}

export async function fuzz({ targets, seed, executions, only, progress }: FuzzOptions): Promise<FuzzReport> {
  const wheel = targets.flatMap((target) => new Array<Target>(target.share).fill(target))
  const failures: Failure[] = []
  let slow: Timed[] = []
  let bar = 0
  const execute = (run: number): void => {
    const random = Random.of(seed, run)
    const target = random.pick(wheel)
    const input = target.make(random)
    const begun = performance.now()
    const wrong = attempt(target, input) ?? (run % 64 === 0 || only !== undefined ? changed() : undefined)
    const ms = performance.now() - begun
    if (wrong !== undefined) failures.push({ run, target: target.name, input: describe(input), wrong })
    if (!target.time || ms <= bar) return
    slow.push({ run, target, input, ms })
    if (slow.length < 2 * KEPT) return
    slow = slow.sort((a, b) => b.ms - a.ms).slice(0, KEPT)
    bar = slow.at(-1)?.ms ?? 0
  }
  // What is compiled and cached at first is no growth.
  const warm = Math.min(executions, 20_000)
  const first = only ?? 0
  const end = only === undefined ? executions : only + 1
  let before = 0
  let executed = 0
  for (let run = first; run < end && failures.length < MAX_FAILURES; run++) {
    if (run - first === warm - 1) before = residentKilobytes()
    execute(run)
    executed++
    // What an input has left to be done later is done, and makes room.
    if (executed % TURN === 0) await turn()
    if (run % 100_000 === 0) progress?.(run)
  }
  const after = residentKilobytes()
  const last = changed()
  if (last) failures.push({ run: end, target: 'all', input: '', wrong: last })
  return { executions: executed, failures, slowest: slowestOf(slow), before, after }
}

function attempt(target: Target, input: Input): string | undefined {
  try {
    return target.try(input)
  } catch (error) {
    return `an error of no type of ours: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
  }
}

function changed(): string | undefined {
  const name = polluted()
  return name === undefined ? undefined : `${name} has changed`
}

function slowestOf(slow: readonly Timed[]): FuzzReport['slowest'] {
  let worst = { ms: 0, run: 0, target: 'none', bytes: 0 }
  for (const { run, target, input } of slow) {
    const ms = Math.max(...[1, 2, 3].map(() => timeOf(target, input)))
    if (ms > worst.ms) worst = { ms, run, target: target.name, bytes: typeof input === 'string' ? input.length : 0 }
  }
  return worst
}

function timeOf(target: Target, input: Input): number {
  globalThis.gc?.()
  const begun = processorTime()
  try {
    target.time?.(input)
  } catch {
    // Refused, which takes time too.
  }
  return processorTime() - begun
}

/** What this thread has had of the processor, ms: a machine that is busy with other things makes nothing slower. */
function processorTime(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6
  } catch {
    return performance.now() // Elsewhere than on Linux.
  }
}

function residentKilobytes(): number {
  globalThis.gc?.()
  return Math.round(process.memoryUsage.rss() / 1_024)
}

function describe(input: Input): string {
  const text = typeof input === 'string' ? input : 'a value'
  return text.length > 500 ? `${text.slice(0, 500)}… (${text.length} characters)` : text
}
