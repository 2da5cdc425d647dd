import type { Processes } from '../../src/testing/hooks.js'
import type { Stall } from '../../src/testing/simulated-process.js'
import type { Who } from './ledger.js'

// When a process could act, and when it could not.

/** How late a timer may fire by itself, ms: whole milliseconds, and a part of one. */
export const STEP = 2

export function diedAt(who: Who, processes: Processes): number {
  return processes.workers[who - 1]?.diedAt ?? Number.POSITIVE_INFINITY
}

export function isDead(who: Who, processes: Processes, by = Number.POSITIVE_INFINITY): boolean {
  return diedAt(who, processes) < by
}

/** The first time from `time` on at which a process ran that was stopped now and then. */
export function firstTimeToAct(time: number, who: Who, processes: Processes): number {
  let first = time
  for (const { from, to } of stallsOf(who, processes)) if (from <= first + STEP && to > first) first = to
  return first
}

/** Was one of them held up between the two? */
export function disturbed(whos: readonly Who[], [from, to]: readonly [number, number], processes: Processes): boolean {
  return whos.some((who) => stallsOf(who, processes).some((stall) => stall.from < to && stall.to > from))
}

function stallsOf(who: Who, processes: Processes): readonly Stall[] {
  return (who === 0 ? processes.primary : processes.workers[who - 1]?.loop)?.stalls ?? []
}
