import type { PeerAddress } from '../../protocol/frames.js'
import type { Client } from '../placement/policies.js'
import type { Listener } from './listener.js'
import type { Connection } from './sockets.js'

/**
 * A connection on its way from the primary to a worker. The primary keeps its duplicate, and the bytes that it has read,
 * until the worker has taken it; a worker that dies or refuses before that has lost nothing.
 */
export interface HandOff {
  /** Of the connection: each time it is offered, the offer has a number of its own. */
  readonly id: number
  readonly listener: Listener
  readonly connection: Connection
  readonly client: Client
  /** What was read from it, all of which the worker gets. */
  readonly head: Uint8Array | undefined
  /** Who a PROXY header says the client is. */
  readonly peer: PeerAddress | undefined
  state: HandOffState
}

export type HandOffState =
  /** What had to be read of it has been. */
  | { readonly kind: 'new' }
  /** No worker may have it yet, since then. */
  | { readonly kind: 'waiting'; readonly since: number }
  /** On its way to a worker. */
  | { readonly kind: 'offered' }
  /** A worker has it, or the client was told that none will. */
  | { readonly kind: 'done' }
