/*
 * The numbers of calls on their way, unique in the whole cluster: a target knows its calls by them, and a chain of calls is
 * compared by them. The router counts its own up from 1. Those of direct links are below zero: each meeting of two workers has
 * two blocks there, one for the calls of each side. Small numbers are written, read and kept for less, and they stay below
 * nine digits until two workers have met for the 1 900th time.
 */

/** A block is gone through again and again. Also what may be on its way at once, and far from it. */
const BLOCK = 2 ** 18

export function isDirect(route: number): boolean {
  return route < 0
}

/** `dialled`: of whoever dialled, else of whoever listened. */
export function blockOf(meeting: number, dialled: boolean): number {
  return 2 * meeting + (dialled ? 0 : 1)
}

export function blockOfRoute(route: number): number {
  return -Math.floor(route / BLOCK) - 1
}

/** The `n`th number of a block: later calls have higher ones. */
export function routeIn(block: number, n: number): number {
  return (n % BLOCK) - (block + 1) * BLOCK
}
