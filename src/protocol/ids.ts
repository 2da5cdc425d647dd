/**
 * Who is who on the wire.
 *
 * A worker id names a slot (1..n) and survives restarts; an incarnation names one process that fills it and is never
 * used twice in the life of a cluster. The primary is slot 0, incarnation 0.
 */
export type WorkerId = number
export type Incarnation = number

/** One process: the slot that it fills, and which of the slot's processes it is. */
export interface ProcessRef {
  readonly id: WorkerId
  readonly incarnation: Incarnation
}

export const PRIMARY: ProcessRef = Object.freeze({ id: 0, incarnation: 0 })

/** What these two say to each other goes through the primary, unless they have a link. */
export function arePassedOn(one: number | 'any', other: number): boolean {
  return one !== PRIMARY.id && other !== PRIMARY.id
}
