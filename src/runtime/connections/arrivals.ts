import type { PeerAddress } from '../../protocol/frames.js'
import type { Clock } from '../clock.js'
import type { Limits, Timeouts } from '../limits.js'
import type { Client } from '../placement/policies.js'
import { forwardedClient } from './client-address.js'
import { readHead } from './http-head.js'
import type { Listener } from './listener.js'
import { needsHead, type Plan } from './plan.js'
import { readProxyHeader } from './proxy-protocol.js'
import { BAD_REQUEST, HEAD_TOO_LARGE, REQUEST_TIMEOUT } from './refusals.js'
import type { Connection, Sockets } from './sockets.js'
import { stickyKey } from './sticky-key.js'

/** A connection of which all is known that its policy needs. */
export interface Arrival {
  readonly listener: Listener
  readonly connection: Connection
  readonly client: Client
  readonly head?: Uint8Array | undefined
  readonly peer?: PeerAddress | undefined
}

export interface ArrivalsOptions {
  readonly clock: Clock
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly sockets: Sockets
  readonly arrived: (arrival: Arrival) => void
  readonly turnAway: (listener: Listener, connection: Connection, why: string) => void
}

/** What was found at the start of a connection. */
type Finding =
  | { readonly state: 'more' }
  | { readonly state: 'done'; readonly client: Client; readonly rest: number; readonly peer: PeerAddress | undefined }
  | { readonly state: 'refused'; readonly text: string }

/**
 * Reads the first bytes of connections whose policy goes by them, so many and so long. Every byte read is handed on with
 * the connection, but for a PROXY header.
 */
export class Arrivals {
  readonly #options: ArrivalsOptions
  readonly #reading = new Map<Connection, { readonly listener: Listener; readonly refuse: (text: string) => void }>()
  timedOut = 0
  tooLarge = 0
  malformed = 0

  constructor(options: ArrivalsOptions) {
    this.#options = options
  }

  /** Connections that are being read from. */
  get size(): number {
    return this.#reading.size
  }

  add(listener: Listener, connection: Connection): void {
    const { plan } = listener
    if (plan.proxyProtocol || needsHead(plan)) {
      const { limits, turnAway } = this.#options
      if (this.#reading.size < limits.connections) return this.#read(listener, connection)
      return turnAway(
        listener,
        connection,
        `${limits.connections} are being read from already (\`limits.connections\`)`,
      )
    }
    this.#options.arrived({ listener, connection, client: new ConnectedClient(connection) })
  }

  /** Nobody listens there any more: without `listener`, anywhere. */
  end(text: string, listener?: Listener): void {
    for (const reading of [...this.#reading.values()])
      if (listener === undefined || reading.listener === listener) reading.refuse(text)
  }

  #read(listener: Listener, connection: Connection): void {
    const { clock, timeouts, sockets } = this.#options
    let bytes: Uint8Array = new Uint8Array()
    const end = (): void => {
      reading.stop()
      timer.cancel()
      this.#reading.delete(connection)
    }
    const refuse = (text: string): void => {
      end()
      sockets.refuse(connection, listener.speaks === 'http' ? text : '')
    }
    const reading = sockets.read(connection, {
      bytes: (chunk) => {
        const seen = bytes.length
        bytes = seen === 0 ? chunk : Buffer.concat([bytes, chunk])
        const finding = this.#find(listener.plan, connection, bytes, seen)
        if (finding.state === 'more') return true
        if (finding.state === 'refused') {
          refuse(finding.text)
          return true
        }
        end()
        const { client, rest, peer } = finding
        this.#options.arrived({ listener, connection, client, head: bytes.subarray(rest), peer })
        return false
      },
      ended: () => {
        end()
        connection.close()
      },
    })
    const timer = clock.after(
      timeouts.peek,
      () => {
        this.timedOut++
        refuse(REQUEST_TIMEOUT)
      },
      { idle: true },
    )
    this.#reading.set(connection, { listener, refuse })
  }

  /** `seen`: how many of the bytes an earlier call has had. */
  #find(plan: Plan, connection: Connection, bytes: Uint8Array, seen: number): Finding {
    let rest = 0
    let peer: PeerAddress | undefined
    if (plan.proxyProtocol) {
      const header = readProxyHeader(bytes)
      if (header.state === 'more') return header
      if (header.state === 'invalid') {
        this.malformed++
        return { state: 'refused', text: BAD_REQUEST }
      }
      rest = header.length
      peer = header.source
    }
    const client = new ConnectedClient(connection, peer)
    if (!needsHead(plan)) return { state: 'done', client, rest, peer }

    const reading = readHead(bytes.subarray(rest), Math.max(0, seen - rest))
    // Another protocol on a port that should speak HTTP: the worker's server will say what is wrong with it.
    if (reading.state === 'foreign') return { state: 'done', client, rest, peer }
    if (reading.state === 'more') {
      if (bytes.length - rest < this.#options.limits.peek) return reading
      this.tooLarge++
      return { state: 'refused', text: HEAD_TOO_LARGE }
    }
    if (reading.length > this.#options.limits.peek) {
      this.tooLarge++
      return { state: 'refused', text: HEAD_TOO_LARGE }
    }
    const { head } = reading
    if (plan.sticky) client.key = stickyKey(plan.sticky.by, head)
    else if (plan.isTrustedProxy && client.remoteAddress !== undefined)
      client.remoteAddress = forwardedClient(head.header('x-forwarded-for'), client.remoteAddress, plan.isTrustedProxy)
    return { state: 'done', client, rest, peer }
  }
}

/** Asks the system for addresses only when a policy does. */
class ConnectedClient implements Client {
  key: string | undefined
  readonly #connection: Connection
  readonly #peer: PeerAddress | undefined
  #remoteAddress: string | undefined

  constructor(connection: Connection, peer?: PeerAddress) {
    this.#connection = connection
    this.#peer = peer
  }

  get remoteAddress(): string | undefined {
    this.#remoteAddress ??= this.#peer?.address ?? this.#connection.remote?.address
    return this.#remoteAddress
  }

  set remoteAddress(address: string | undefined) {
    this.#remoteAddress = address
  }

  get remotePort(): number | undefined {
    return this.#peer?.port ?? this.#connection.remote?.port
  }

  get localAddress(): string | undefined {
    return this.#connection.local?.address
  }

  get localPort(): number | undefined {
    return this.#connection.local?.port
  }
}
