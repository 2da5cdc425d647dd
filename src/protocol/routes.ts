/*
 * The numbers of calls on their way, unique in the whole cluster: a target knows its calls by them, and a chain of calls is
 * compared by them. The router counts its own up from 1. Those of direct links are below zero: each meeting of two workers has
 * two blocks there, one for the calls of each side. Small numbers are written, read and kept for less: they have at most nine
 * digits until the 470th meeting of the cluster.
 */

/** Numbers in one block. They come round again; `PeerLink.nextRoute` skips those in flight, of which there are far fewer. */
const BLOCK = 2 ** 20

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

/** The `n`th number of a block: later calls have higher ones, until they come round. */
export function routeIn(block: number, n: number): number {
  return (n % BLOCK) - (block + 1) * BLOCK
}
