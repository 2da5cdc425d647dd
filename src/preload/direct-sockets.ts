import { createConnection, createServer, type OnReadOpts, Server, Socket, type SocketConstructorOpts } from 'node:net'
import { readPeerBatch } from '../protocol/codec.js'
import type { Meeting, PeerFrame } from '../protocol/frames.js'
import { standInFor } from '../protocol/unsendable.js'
import type { DirectPort } from '../runtime/messaging/direct/meetings.js'
import type { PeerTransport } from '../runtime/messaging/direct/peer-link.js'
import type { ByteReceiver, ByteStream } from '../runtime/transports/byte-stream.js'
import { StreamTransport } from '../runtime/transports/stream.js'
import { READ_SIZE } from '../runtime/transports/stream-reader.js'

export interface DirectSocketsOptions {
  /** `limits.link`, `limits.linkBytes`, and bytes of one frame. */
  readonly limit: number
  readonly bytes: number
  readonly frameLimit: number
  readonly warn: (message: string) => void
  /** Of that meeting came a link on which the other side has written what none of ours writes. */
  readonly corrupt: (meeting: number, verdict: string) => void
}

/** Node's sockets take more than this before they say that it is enough: half of what the kernel holds for a unix socket. */
const ENOUGH = 128 * 1024

/** As node made it: all other servers of a worker are watched and drained, and listen by way of the primary. */
const { listen } = Server.prototype

/**
 * Direct links over unix sockets. Whoever dials writes the secret first; whoever listens stops to listen when somebody has
 * proved it, whereby the file is removed. No socket keeps this process alive.
 */
export class DirectSockets implements DirectPort {
  readonly #options: DirectSocketsOptions

  constructor(options: DirectSocketsOptions) {
    this.#options = options
  }

  listen(meeting: Meeting, told: { listening(ok: boolean): void; opened(link: PeerTransport): void }): () => void {
    const strangers = new Set<SocketStream>()
    const close = (): void => {
      server.close()
      for (const stranger of strangers) stranger.destroy()
    }
    const server = createServer({ pauseOnConnect: true }, (accepted) => {
      const handle = takeHandle(accepted)
      const stranger = new SocketStream((options) => new Socket({ handle, ...options } as SocketConstructorOpts))
      strangers.add(stranger)
      prove(stranger, meeting.secret, {
        proved: () => {
          strangers.delete(stranger)
          close()
          told.opened(this.#link(stranger, meeting))
        },
        gone: () => strangers.delete(stranger),
      })
    })
    server.unref()
    let settled = false
    const settle = (ok: boolean): void => {
      if (!settled) told.listening(ok)
      settled = true
    }
    server.once('listening', () => settle(true))
    server.on('error', () => settle(false))
    Reflect.apply(listen, server, [{ path: meeting.path, exclusive: true }])
    return close
  }

  dial(meeting: Meeting, told: { opened(link: PeerTransport): void; failed(): void }): () => void {
    const stream = new SocketStream((options) => {
      const socket = createConnection({ path: meeting.path, ...options })
      socket.once('error', () => told.failed())
      socket.once('connect', () => {
        socket.write(meeting.secret)
        told.opened(this.#link(stream, meeting))
      })
      return socket
    })
    return () => stream.destroy()
  }

  #link(stream: SocketStream, { meeting }: Meeting): PeerTransport {
    const { limit, bytes, frameLimit, warn, corrupt } = this.#options
    const options = {
      read: readPeerBatch,
      limit,
      bytes,
      frameLimit,
      onMalformed: (count: number) => warn(`dropped ${count} malformed frames of a direct link`),
      onUnsendable: (error: unknown) => warn(error instanceof Error ? error.message : String(error)),
      onCorrupt: (verdict: string) => corrupt(meeting, verdict),
    }
    return new StreamTransport<PeerFrame, PeerFrame>(stream, options, standInFor)
  }
}

/** Tells when the socket has said the secret, and ends it when it says anything else. */
function prove(stream: SocketStream, secret: string, told: { proved(): void; gone(): void }): void {
  let said = Buffer.alloc(0)
  stream.receive({
    data: (bytes) => {
      said = Buffer.concat([said, bytes])
      if (said.length < secret.length) return
      // Loaded when there is something to compare: it would be a millisecond of every worker's start.
      const { timingSafeEqual } = process.getBuiltinModule('node:crypto')
      const [word, rest] = [said.subarray(0, secret.length), said.subarray(secret.length)]
      if (!timingSafeEqual(word, Buffer.from(secret))) return stream.destroy()
      told.proved()
      stream.unshift(rest)
    },
    written: () => {},
    closed: () => told.gone(),
  })
}

/** One read buffer for all sockets, made with the first: `ByteReceiver.data` may not keep it. */
let scratch: Buffer | undefined

function readBuffer(): Buffer {
  scratch ??= Buffer.allocUnsafeSlow(READ_SIZE)
  return scratch
}

/** Makes a socket that reads where it is told to. */
type MakeSocket = (options: { onread: OnReadOpts }) => Socket

/** A socket as a stream of bytes. */
class SocketStream implements ByteStream {
  readonly #socket: Socket
  #receiver: ByteReceiver | undefined
  readonly #onWritten = (): void => this.#receiver?.written()

  constructor(make: MakeSocket) {
    const callback = (count: number, bytes: Uint8Array): boolean => {
      if (bytes === scratch) this.#receiver?.data(scratch.subarray(0, count))
      else this.#receiver?.placed?.(count)
      return true
    }
    this.#socket = make({ onread: { buffer: () => this.#receiver?.place?.() ?? readBuffer(), callback } })
    this.#socket.unref()
    // Its end is told by `close`, which comes after all that has arrived.
    this.#socket.on('error', () => {})
    this.#socket.once('close', () => this.#receiver?.closed())
  }

  get unwritten(): number {
    return this.#socket.writableLength
  }

  write(bytes: readonly Uint8Array[]): boolean {
    const socket = this.#socket
    if (bytes.length === 1) socket.write(bytes[0] as Uint8Array, this.#onWritten)
    else {
      socket.cork()
      for (const piece of bytes) socket.write(piece)
      socket.write(EMPTY, this.#onWritten)
      socket.uncork()
    }
    return socket.writableLength < ENOUGH
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** The other side may never read it. */
  end(): void {
    this.#socket.destroySoon()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Replaces the receiver: first whoever checks the secret, then the link. */
  receive(receiver: ByteReceiver): void {
    this.#receiver = receiver
    this.#socket.resume()
  }

  /** What has been read already, for the new receiver. */
  unshift(bytes: Buffer): void {
    if (bytes.length > 0) this.#receiver?.data(bytes)
  }
}

const EMPTY = new Uint8Array(0)

/**
 * Node accepts into a socket of its own; its handle goes on in one that reads where it is told to. The empty one is never closed,
 * so that the server goes on counting it: nobody waits for that server's `close`.
 */
function takeHandle(accepted: Socket): unknown {
  const taken = accepted as unknown as { _handle: unknown }
  const handle = taken._handle
  taken._handle = null
  return handle
}
