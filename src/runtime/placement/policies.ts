import type { WorkerId } from '../../protocol/ids.js'
import { normaliseAddress } from './ip-address.js'
import { rendezvous } from './rendezvous.js'

/** A worker that could take the connection: ready, and it listens on that port. */
export interface Candidate {
  readonly id: WorkerId
  /** Open in it now, or on their way to it. */
  readonly connections: number
}

/** Who connects. A connection over a unix path has no addresses. */
export interface Client {
  readonly remoteAddress?: string
  readonly remotePort?: number
  readonly localAddress?: string
  readonly localPort?: number
  /** What a sticky policy read from the first request. */
  readonly key?: string | undefined
}

/** What else a policy may go by. It is handed in, so that every policy is a function of its inputs. */
export interface Draw {
  readonly client: Client
  /** Who was picked for this port before. */
  readonly last: WorkerId | undefined
  /** From 0 up to 1, as `Math.random` gives it. */
  readonly random: number
}

/** Nobody only when there is no candidate. The candidates come in any order. */
export type Pick = (candidates: readonly Candidate[], draw: Draw) => WorkerId | undefined

/** The next id after the last one, and after the highest the lowest: who comes or goes in between skips nobody's turn. */
export const roundRobin: Pick = (candidates, { last = 0 }) => {
  let next = Number.POSITIVE_INFINITY
  let lowest = Number.POSITIVE_INFINITY
  for (const { id } of candidates) {
    if (id > last && id < next) next = id
    if (id < lowest) lowest = id
  }
  if (candidates.length === 0) return undefined
  return next === Number.POSITIVE_INFINITY ? lowest : next
}

export const random: Pick = (candidates, { random }) =>
  idsOf(candidates).sort((a, b) => a - b)[Math.floor(random * candidates.length)]

/** Equals take turns, so that an idle cluster does not give everything to worker 1. */
export const leastConnections: Pick = (candidates, draw) => {
  let fewest = Number.POSITIVE_INFINITY
  for (const { connections } of candidates) fewest = Math.min(fewest, connections)
  return roundRobin(
    candidates.filter(({ connections }) => connections === fewest),
    draw,
  )
}

/** One address, one worker. The port is left out: it differs from one connection of a client to the next. */
export const ipHash: Pick = (candidates, draw) => {
  const { remoteAddress } = draw.client
  return remoteAddress === undefined
    ? leastConnections(candidates, draw)
    : rendezvous(normaliseAddress(remoteAddress), idsOf(candidates))
}

/** One key, one worker. A client that has none yet may go anywhere. */
export const sticky: Pick = (candidates, draw) => {
  const { key } = draw.client
  return key === undefined ? leastConnections(candidates, draw) : rendezvous(key, idsOf(candidates))
}

function idsOf(candidates: readonly Candidate[]): WorkerId[] {
  return candidates.map(({ id }) => id)
}
