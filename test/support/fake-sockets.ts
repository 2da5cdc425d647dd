import type { ListenFrame } from '../../src/protocol/frames.js'
import type { Descriptors } from '../../src/runtime/connections/descriptors.js'
import type {
  Acceptor,
  Connection,
  Endpoint,
  ListeningSocket,
  Reader,
  Reading,
  Sockets,
} from '../../src/runtime/connections/sockets.js'

/** A connection with a client that a test plays. */
export class FakeConnection implements Connection {
  readonly handle: { readonly of: FakeConnection } = { of: this }
  fd = 10
  remote: Endpoint | undefined = { address: '192.0.2.1', port: 4711 }
  local: Endpoint | undefined = { address: '198.51.100.1', port: 80 }
  /** How often it was ended here: with each of these words to the client, empty for none. */
  readonly ends: string[] = []
  reader: Reader | undefined

  close(): void {
    this.ends.push('')
  }

  /** The client sends. False when nothing is read from it, or no more after this. */
  send(text: string): boolean {
    return this.reader?.bytes(Buffer.from(text, 'latin1')) ?? false
  }
}

/** A listening socket on which a test lets connections arrive. */
export class FakeListening implements ListeningSocket {
  readonly handle: object = { listening: this }
  readonly sockname: object | undefined
  readonly pausable: boolean
  readonly request: ListenFrame
  accepting = false
  closed = 0
  readonly #acceptor: Acceptor

  constructor(request: ListenFrame, pausable: boolean, acceptor: Acceptor) {
    this.request = request
    this.pausable = pausable
    this.sockname = request.port === -1 ? undefined : { address: '::', port: request.port || 50_000, family: 'IPv6' }
    this.#acceptor = acceptor
  }

  accept(on: boolean): void {
    this.accepting = on
  }

  close(): void {
    this.closed++
  }

  /** Somebody connects. */
  connect(connection: FakeConnection = new FakeConnection()): FakeConnection {
    this.#acceptor.accepted(connection)
    return connection
  }
}

/** Of a process that may have as many as a test says. */
export class FakeDescriptors implements Descriptors {
  firstReserved = Number.POSITIVE_INFINITY
  /** What the next one will be. */
  next = 0

  isReserved(fd: number): boolean {
    return fd >= this.firstReserved
  }

  areShort(): boolean {
    return this.isReserved(this.next)
  }
}

/** A system in which only what a test does happens. */
export class FakeSockets implements Sockets {
  readonly descriptors = new FakeDescriptors()
  /** In the order in which they were opened. */
  readonly listening: FakeListening[] = []
  pausable = true
  /** The errno for whoever wants to listen. */
  errno: number | undefined

  listen(request: ListenFrame, acceptor: Acceptor): ListeningSocket | number {
    if (this.errno !== undefined) return this.errno
    const socket = new FakeListening(request, this.pausable, acceptor)
    this.listening.push(socket)
    return socket
  }

  read(connection: Connection, reader: Reader): Reading {
    const fake = connection as FakeConnection
    fake.reader = reader
    return {
      stop() {
        fake.reader = undefined
      },
    }
  }

  refuse(connection: Connection, text: string): void {
    ;(connection as FakeConnection).ends.push(text)
  }
}
