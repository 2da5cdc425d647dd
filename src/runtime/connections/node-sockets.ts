import net, { type Socket } from 'node:net'
import { constants } from 'node:os'
import { relative } from 'node:path'
import type { ListenFrame } from '../../protocol/frames.js'
import type { Clock } from '../clock.js'
import { whenSent } from '../transports/sent-handles.js'
import { ProcessDescriptors } from './descriptors.js'
import { isListening } from './listening-descriptor.js'
import type { Acceptor, Connection, Endpoint, ListeningSocket, Reader, Reading, Sockets } from './sockets.js'

/** How long a client that was refused may take to read why, ms: closed with bytes unread, it would get a reset instead. */
const LINGER = 1_000

/** Bytes read at once from a connection that is peeked at: most heads, cookies and all, are smaller. */
const READ_SIZE = 4_096

/** Node's own pool length when the program asks for none, as in `server.listen`. */
const BACKLOG = 511

/**
 * Sockets as node's bare handles: no `net.Socket` is made for a connection that is only passed on. What is used of them has
 * been the same from Node 20 to 26, and node's own cluster uses no less.
 */
export class NodeSockets implements Sockets {
  readonly descriptors = new ProcessDescriptors()
  readonly #clock: Clock
  /** The descriptors of our listening sockets. */
  readonly #listening = new Set<number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  listen(request: ListenFrame, acceptor: Acceptor): ListeningSocket | number {
    const { port, backlog } = request
    const handle = open(request, this.#listening)
    if (typeof handle === 'number') return handle
    // Only a handle that was opened from a descriptor can stop and start to accept: so open it with its own.
    const pausable = handle.open(handle.fd) === 0 && typeof handle.readStop === 'function'
    handle.onconnection = (error, client) => {
      if (error === 0 && client) acceptor.accepted(new RawConnection(client))
      else acceptor.failed()
    }
    const failure = bindFailure(handle, port) || handle.listen(backlog || BACKLOG) || share(handle, request)
    if (failure) {
      handle.close()
      return failure
    }
    const { fd } = handle
    this.#listening.add(fd)
    if (pausable) {
      handle.readStart()
      handle.readStop()
    }
    return {
      handle,
      sockname: nameOf(handle),
      pausable,
      accept: (on) => void (pausable && (on ? handle.readStart() : handle.readStop())),
      // Nothing more is accepted; the port is free when nothing of it is still to be sent.
      close: () => {
        handle.onconnection = (_, client) => client?.close()
        if (pausable) handle.readStop()
        whenSent(handle, () => {
          this.#listening.delete(fd)
          handle.close()
        })
      },
    }
  }

  read(connection: Connection, reader: Reader): Reading {
    const raw = connection as RawConnection
    const buffer = Buffer.allocUnsafe(READ_SIZE)
    let stopped = false
    const options = {
      handle: raw.handle,
      onread: { buffer, callback: (size: number) => stopped || reader.bytes(Buffer.copyBytesFrom(buffer, 0, size)) },
    }
    const socket = new net.Socket(options as net.SocketConstructorOpts)
    raw.socket = socket
    const ended = (): void => {
      if (!stopped) reader.ended()
    }
    socket.on('end', ended)
    socket.on('close', ended)
    // A reset: `close` follows.
    socket.on('error', () => {})
    return {
      stop() {
        stopped = true
      },
    }
  }

  refuse(connection: Connection, text: string): void {
    const raw = connection as RawConnection
    whenSent(raw.handle, () => this.#refuse(raw, text))
  }

  #refuse(raw: RawConnection, text: string): void {
    const socket = raw.socket ?? new net.Socket({ handle: raw.handle } as net.SocketConstructorOpts)
    raw.socket = socket
    const limit = this.#clock.after(LINGER, () => socket.destroy(), { idle: true })
    socket.on('error', () => {})
    socket.once('close', () => limit.cancel())
    socket.end(text)
    socket.resume()
  }
}

/** One accepted connection. Its addresses are asked for only by who needs them. */
class RawConnection implements Connection {
  readonly handle: StreamHandle
  /** Once it has been read from, or written to, here. */
  socket: Socket | undefined

  constructor(handle: StreamHandle) {
    this.handle = handle
  }

  get fd(): number {
    return this.handle.fd
  }

  get remote(): Endpoint | undefined {
    return endpoint((out) => this.handle.getpeername?.(out))
  }

  get local(): Endpoint | undefined {
    return endpoint((out) => this.handle.getsockname?.(out))
  }

  close(): void {
    whenSent(this.handle, () => {
      if (this.socket) this.socket.destroy()
      else this.handle.close()
    })
  }
}

/** What is used of node's TCP and Pipe handles. */
interface StreamHandle {
  readonly fd: number
  onconnection: (error: number, client: StreamHandle | undefined) => void
  open(fd: number): number
  listen(backlog: number): number
  readStart(): number
  readStop(): number
  close(): void
  /** Of TCP alone. */
  getsockname?(out: object): number
  getpeername?(out: object): number
  /** Of unix sockets alone. */
  fchmod?(mode: number): number
}

type CreateServerHandle = (
  address: string | null,
  port: number | null,
  addressType: number | string | undefined,
  fd: number | undefined,
  flags: number,
) => StreamHandle | number

const createServerHandle = (net as unknown as { _createServerHandle: CreateServerHandle })._createServerHandle

/** Binds. A worker may ask for anything: what node has not checked there it would assert here. */
function open(request: ListenFrame, ours: ReadonlySet<number>): StreamHandle | number {
  const { port, addressType, fd, flags } = request
  if (typeof fd === 'number' && fd >= 0) {
    // Two handles of one descriptor: the first that is closed would close both.
    if (ours.has(fd) || !isListening(fd)) return EINVAL
    return createServerHandle(null, null, undefined, fd, 0)
  }
  const isPath = port === -1 && addressType === -1 && typeof request.address === 'string'
  const isPort = typeof port === 'number' && port >= 0 && port <= MAX_PORT
  if (!isPath && !isPort) return EINVAL
  return createServerHandle(shortest(request), port, addressType ?? undefined, undefined, flags ?? 0)
}

const MAX_PORT = 65_535
const EINVAL = -constants.errno.EINVAL

/** A unix path may have about a hundred bytes: relative to here it may be shorter. */
function shortest({ address, port }: ListenFrame): string | null {
  if (address === undefined || address === null) return null
  if (port !== -1) return address
  const short = relative(process.cwd(), address)
  return short.length < address.length ? short : address
}

/** That an address is taken may show only now; to listen all the same would listen on another port. */
function bindFailure(handle: StreamHandle, port: number | null | undefined): number {
  const name: { port?: number } = {}
  if (!port || port < 0 || !handle.getsockname) return 0
  return handle.getsockname(name) || (name.port === port ? 0 : EADDRINUSE)
}

const EADDRINUSE = -constants.errno.EADDRINUSE

/** Lets every user of the machine read or write a unix socket: libuv's flags. */
function share(handle: StreamHandle, { readableAll, writableAll }: ListenFrame): number {
  const mode = (readableAll ? 1 : 0) | (writableAll ? 2 : 0)
  return mode === 0 ? 0 : (handle.fchmod?.(mode) ?? 0)
}

function nameOf(handle: StreamHandle): object | undefined {
  const name = {}
  return handle.getsockname?.(name) === 0 ? name : undefined
}

function endpoint(read: (out: object) => number | undefined): Endpoint | undefined {
  const out: { address?: string; port?: number } = {}
  if (read(out) !== 0 || out.address === undefined) return undefined
  return { address: out.address, port: out.port ?? 0 }
}
