import { timingSafeEqual } from 'node:crypto'
import { createConnection, createServer, Server, type Socket } from 'node:net'
import { readPeerBatch } from '../protocol/codec.js'
import type { Meeting, PeerFrame } from '../protocol/frames.js'
import { standInFor } from '../protocol/unsendable.js'
import type { DirectPort } from '../runtime/messaging/direct/meetings.js'
import type { PeerTransport } from '../runtime/messaging/direct/peer-link.js'
import type { ByteReceiver, ByteStream } from '../runtime/transports/byte-stream.js'
import { StreamTransport } from '../runtime/transports/stream.js'

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
    const strangers = new Set<Socket>()
    const close = (): void => {
      server.close()
      for (const stranger of strangers) stranger.destroy()
    }
    const server = createServer((socket) => {
      strangers.add(socket)
      socket.once('close', () => strangers.delete(socket))
      prove(socket, meeting.secret, () => {
        strangers.delete(socket)
        close()
        told.opened(this.#link(socket, meeting))
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
    const socket = createConnection(meeting.path)
    socket.unref()
    socket.once('error', () => told.failed())
    socket.once('connect', () => {
      socket.write(meeting.secret)
      told.opened(this.#link(socket, meeting))
    })
    return () => socket.destroy()
  }

  #link(socket: Socket, { meeting }: Meeting): PeerTransport {
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
    return new StreamTransport<PeerFrame, PeerFrame>(new SocketStream(socket), options, standInFor)
  }
}

/** Calls `proved` when the socket has said the secret, and ends it when it says anything else. */
function prove(socket: Socket, secret: string, proved: () => void): void {
  socket.unref()
  socket.on('error', () => {})
  let said = Buffer.alloc(0)
  const hear = (bytes: Buffer): void => {
    said = Buffer.concat([said, bytes])
    if (said.length < secret.length) return
    socket.off('data', hear)
    const [word, rest] = [said.subarray(0, secret.length), said.subarray(secret.length)]
    if (!timingSafeEqual(word, Buffer.from(secret))) return void socket.destroy()
    socket.pause()
    if (rest.length > 0) socket.unshift(rest)
    proved()
  }
  socket.on('data', hear)
}

/** A socket as a stream of bytes. */
class SocketStream implements ByteStream {
  readonly #socket: Socket
  #onWritten = (): void => {}

  constructor(socket: Socket) {
    this.#socket = socket
    socket.unref()
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

  receive(receiver: ByteReceiver): void {
    const socket = this.#socket
    this.#onWritten = () => receiver.written()
    socket.on('data', (bytes: Buffer) => receiver.data(bytes))
    // Its end is told by `close`, which comes after all that has arrived.
    socket.on('error', () => {})
    socket.once('close', () => receiver.closed())
    socket.resume()
  }
}

const EMPTY = new Uint8Array(0)
