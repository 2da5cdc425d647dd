import type { WorkerId } from '../ids.js'
import type { ListenAddress } from './life.js'

// Where servers listen, and the connections that are handed to workers.

// ------------------------------------------------------------------- worker -> primary

/** A server of the worker listens: the primary owns the socket. Answered by `bound` with the same `ref`. */
export interface ListenFrame extends ListenAddress {
  readonly kind: 'listen'
  readonly ref: number
  /** Tells apart several servers of one process that listen on port 0. */
  readonly index: number
  /** Of the primary, as node's documentation has it for a cluster. */
  readonly fd?: number | null | undefined
  readonly flags?: number | null | undefined
  readonly backlog?: number | null | undefined
  readonly readableAll?: boolean | null | undefined
  readonly writableAll?: boolean | null | undefined
  readonly speaks: Speaks
  /** What every worker's server has to share: TLS ticket keys. */
  readonly data?: unknown
}

/** What the first bytes of a connection are. Only an HTTP/1 head can be read by the primary. */
export type Speaks = 'http' | 'http2' | 'tls' | 'bytes'

/** The program closed the server. */
export interface UnlistenFrame {
  readonly kind: 'unlisten'
  readonly listener: number
}

/** The connection has arrived; the primary may let go of it. Written before its first byte is read. */
export interface TakenFrame {
  readonly kind: 'taken'
  readonly id: number
}

/** The connection is not wanted here. `closed`: no such server any more. `full`: as many as it may have. `lost`: it never came. */
export interface RefusedFrame {
  readonly kind: 'refused'
  readonly id: number
  readonly reason: 'closed' | 'full' | 'lost'
}

/**
 * How many connections are open on a listener. `room`: `open`, it would take more; `level`, it has as many as it was told;
 * `full`, it can take no more whatever it is told.
 */
export interface LiveFrame {
  readonly kind: 'live'
  readonly listener: number
  readonly live: number
  readonly room: 'open' | 'level' | 'full'
  /** How many connections ended within a tenth of a second, in the last interval between two reports. */
  readonly brief?: number | undefined
  /** Requests since the last report that the policy would have given to another worker. */
  readonly strays?: number | undefined
  /** How often since then it had to stop accepting for want of descriptors. */
  readonly exhausted?: number | undefined
}

// ------------------------------------------------------------------- primary -> worker

/** The answer to `listen`. With `errno` there is no socket; on the path `shared` the socket comes along. */
export interface BoundFrame {
  readonly kind: 'bound'
  readonly ref: number
  readonly errno?: number | undefined
  readonly listener?: number | undefined
  readonly path?: 'shared' | 'hand-off' | undefined
  /** What `server.address()` says. */
  readonly sockname?: object | undefined
  readonly data?: unknown
  readonly sticky?: StickySettings | undefined
}

/** What a client is known by. */
export type StickyBy = { readonly cookie: string } | { readonly header: string } | { readonly query: string }

/** How the server keeps a client with the worker that its first request chose. */
export interface StickySettings {
  readonly by: StickyBy
  /** Give a client that has no such cookie one that leads back here. */
  readonly issue: boolean
  /** Close after every response, for proxies that send several clients' requests over one connection. */
  readonly perRequest: boolean
}

/** Accept while fewer than `level` connections are open on the listener; null: always. `ask`: answer with `live` at once. */
export interface LevelFrame {
  readonly kind: 'level'
  readonly listener: number
  readonly level: number | null
  readonly ask?: boolean | undefined
}

/** Who is at the other end of a connection. */
export interface PeerAddress {
  readonly address: string
  readonly port: number
  /** `IPv4` or `IPv6`. */
  readonly family: string
}

/** A connection comes along; answered by `taken` or `refused`. */
export interface ConnectionFrame {
  readonly kind: 'connection'
  /** Of this offer: offered again, the same connection has another, so that no answer is taken for a later one's. */
  readonly id: number
  /** Of the connection, for whoever follows it through the processes. */
  readonly connection: number
  readonly listener: number
  /** Bytes that were read from it already, in base64. */
  readonly head?: string | undefined
  /** Who a PROXY header says the client is. */
  readonly peer?: PeerAddress | undefined
}

/**
 * A handle was lost on its way, and the frame that it came with. Say `refused` for each connection of `ids` that has not come;
 * of `bounds`, the sockets that were sent, give up those that have not.
 */
export interface AwaitedFrame {
  readonly kind: 'awaited'
  readonly ids: readonly number[]
  readonly bounds: readonly { readonly ref: number; readonly listener: number }[]
}

/** Among whom a sticky policy chooses now. */
export interface CandidatesFrame {
  readonly kind: 'candidates'
  readonly listener: number
  readonly ids: readonly WorkerId[]
}

// --------------------------------------------------------------------------------------------- unions

export type ConnectionUpFrame = ListenFrame | UnlistenFrame | TakenFrame | RefusedFrame | LiveFrame

export type ConnectionDownFrame = BoundFrame | LevelFrame | ConnectionFrame | AwaitedFrame | CandidatesFrame
