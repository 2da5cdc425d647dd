/*
 * The numbers of calls on their way, unique in the whole cluster: a target knows its calls by them, and a chain of calls is
 * compared by them. The router counts its own from 1. Each meeting of two workers has two blocks in the upper half, one for
 * the calls of each side.
 */

/** The first number that the router never gives. */
const FIRST_DIRECT = 2 ** 52

/** A block is gone through again and again: one call of sixteen million is never so old that it still has its number. */
const BLOCK = 2 ** 24

export function isDirect(route: number): boolean {
  return route >= FIRST_DIRECT
}

/** `dialled`: of whoever dialled, else of whoever listened. */
export function blockOf(meeting: number, dialled: boolean): number {
  return 2 * meeting + (dialled ? 0 : 1)
}

export function blockOfRoute(route: number): number {
  return Math.floor((route - FIRST_DIRECT) / BLOCK)
}

/** The `n`th number of a block. */
export function routeIn(block: number, n: number): number {
  return FIRST_DIRECT + block * BLOCK + (n % BLOCK)
}
