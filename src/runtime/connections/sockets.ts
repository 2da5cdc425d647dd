import type { ListenFrame } from '../../protocol/frames.js'
import type { Descriptors } from './descriptors.js'

/** A connection that was accepted here and not yet given away. Closing it closes this process's duplicate alone. */
export interface Connection {
  /** What node sends along with a message. */
  readonly handle: unknown
  /** Its descriptor: near the process's limit, no more should be accepted. */
  readonly fd: number
  readonly remote: Endpoint | undefined
  readonly local: Endpoint | undefined
  close(): void
}

export interface Endpoint {
  readonly address: string
  readonly port: number
}

/** A listening socket, which this process owns and may share. */
export interface ListeningSocket {
  readonly handle: unknown
  /** What `server.address()` says; undefined for a unix socket. */
  readonly sockname: object | undefined
  /** Can a process stop to accept on it without closing it? Else its connections have to be handed over. */
  readonly pausable: boolean
  /** Accepts in this process, or leaves what arrives in the kernel's backlog. */
  accept(on: boolean): void
  close(): void
}

/** What connections need of the system; `node-sockets.ts` is the real one. */
export interface Sockets {
  readonly descriptors: Descriptors
  /** Gives the socket, listening, and not accepting if it can be paused; or node's errno. */
  listen(request: ListenFrame, acceptor: Acceptor): ListeningSocket | number
  /** Reads from a connection as a peek asks for it. */
  read(connection: Connection, reader: Reader): Reading
  /** Says something to a client that no worker will see, and ends. Takes the connection over. */
  refuse(connection: Connection, text: string): void
}

export interface Acceptor {
  accepted(connection: Connection): void
  /** A connection came that could not be accepted. */
  failed(): void
}

export interface Reader {
  /** Bytes arrived. True to read on. */
  bytes(chunk: Uint8Array): boolean
  /** The client has gone. */
  ended(): void
}

export interface Reading {
  /** Nothing is read for the reader any more: the connection is handed on, or closed. */
  stop(): void
}
