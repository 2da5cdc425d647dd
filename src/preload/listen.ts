import type { Server as NetServer } from 'node:net'
import { constants } from 'node:os'
import { resolve } from 'node:path'
import type {
  AwaitedFrame,
  BoundFrame,
  ConnectionDownFrame,
  ConnectionFrame,
  DownFrame,
  UpFrame,
} from '../protocol/frames.js'
import type { Transport } from '../protocol/transport.js'
import type { Clock } from '../runtime/clock.js'
import { ProcessDescriptors } from '../runtime/connections/descriptors.js'
import { tellStep } from '../runtime/connections/hand-off-steps.js'
import { addressKey } from '../runtime/connections/listen-key.js'
import type { DropLog } from '../runtime/drop-log.js'
import { type ClientHandle, handedHandle, type ServerHandle } from './handles.js'
import {
  announce,
  closeBeforeDisconnect,
  type QueryCallback,
  type QueryOptions,
  replaceGetServer,
  type SharingServer,
} from './node-worker.js'
import { languageOf } from './server-kinds.js'
import { ServerNumbers } from './server-numbers.js'
import { ServerSeat } from './server-seat.js'
import type { ServerRegistry } from './servers.js'

export interface ListenPathOptions {
  readonly link: Transport<UpFrame, DownFrame>
  readonly clock: Clock
  readonly servers: ServerRegistry
  /** To whoever runs the program. */
  readonly warnings: DropLog
  /** How many hand-offs can be unacknowledged at once. */
  readonly handoffs: number
  /** A server has a sticky policy, so that its requests have to be looked at. */
  readonly stickySeat: () => void
}

/** A server that has asked the primary, and has not been answered. */
interface Query {
  readonly server: NetServer
  readonly options: QueryOptions
  readonly callback: QueryCallback
  /** Gives the server's number among those of its address back. */
  readonly release: () => void
}

/**
 * Where node asks the primary for a server's handle (`cluster._getServer`), this asks ours: an app that only calls `listen`
 * is routed by us. What node does beside it is kept up: one port for `listen(0)` in every worker, shared TLS ticket keys,
 * the `listening` event in the primary.
 */
export class ListenPath {
  readonly #options: ListenPathOptions
  readonly #queries = new Map<number, Query>()
  readonly #seats = new Map<number, ServerSeat>()
  readonly #seatOf = new WeakMap<NetServer, ServerSeat>()
  readonly #numbers = new ServerNumbers()
  /** The last offers that were answered, as many as can be on their way. */
  readonly #answered: number[] = []
  readonly #descriptors = new ProcessDescriptors()
  #lastRef = 0

  constructor(options: ListenPathOptions) {
    this.#options = options
    replaceGetServer((server, asked, callback) => this.#ask(server, asked, callback))
    closeBeforeDisconnect(() => this.close())
  }

  seatOf(server: NetServer): ServerSeat | undefined {
    return this.#seatOf.get(server)
  }

  receive(frame: ConnectionDownFrame, handle: unknown): void {
    switch (frame.kind) {
      case 'bound':
        return this.#bound(frame, handle as ServerHandle | undefined)
      case 'level':
        return this.#seats.get(frame.listener)?.setLevel(frame.level, frame.ask ?? false)
      case 'candidates': {
        const seat = this.#seats.get(frame.listener)
        if (seat) seat.candidates = frame.ids
        return
      }
      case 'connection':
        return this.#handed(frame, handle as ClientHandle | undefined)
      case 'awaited':
        return this.#owned(frame)
    }
  }

  /** No server accepts any more; resolves when their connections have ended. */
  async close(): Promise<void> {
    const servers = [...this.#seats.values()].map(({ server }) => server)
    await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))))
  }

  #ask(server: NetServer, options: QueryOptions, callback: QueryCallback): void {
    const { link, servers } = this.#options
    const { port, addressType, fd, flags, backlog, readableAll, writableAll } = options
    const address = port === -1 && typeof options.address === 'string' ? resolve(options.address) : options.address
    servers.asked(server, { address, port, addressType })
    const { index, release } = this.#numbers.take(addressKey({ address, port, addressType, fd }))
    const ref = ++this.#lastRef
    this.#queries.set(ref, { server, options: { ...options, address }, callback, release })
    const { _getServerData } = server as SharingServer
    link.send({
      kind: 'listen',
      ref,
      index,
      address,
      port,
      addressType,
      fd,
      flags,
      // Node has false for a program that gives a host and a callback, and no length.
      backlog: typeof backlog === 'number' ? backlog : undefined,
      readableAll,
      writableAll,
      speaks: languageOf(server),
      data: _getServerData?.call(server) ?? null,
    })
  }

  #bound({ ref, errno, listener, path, sockname, data, sticky }: BoundFrame, shared: ServerHandle | undefined): void {
    const query = this.#queries.get(ref)
    this.#queries.delete(ref)
    if (!query) return shared?.close()
    const { server, options, callback, release } = query
    if (data != null) (server as SharingServer)._setServerData?.(data)
    const { link, clock } = this.#options
    if (errno !== undefined || listener === undefined || (path === 'shared' && !shared)) {
      release()
      if (listener !== undefined) link.send({ kind: 'unlisten', listener })
      return callback(errno ?? EMFILE, null)
    }
    const handle = shared ?? handedHandle(sockname)
    const seat = new ServerSeat({
      listener,
      server,
      handle,
      accepts: shared !== undefined,
      sticky,
      clock,
      descriptors: this.#descriptors,
      warn: (message) => this.#options.warnings.add('descriptors', message),
      report: (frame) => link.send(frame),
    })
    if (sticky) this.#options.stickySeat()
    this.#seats.set(listener, seat)
    this.#seatOf.set(server, seat)
    const announced = (): void => announce(server, options)
    const close = handle.close.bind(handle)
    handle.close = (closed) => {
      handle.close = close
      server.off('listening', announced)
      seat.closed()
      this.#seats.delete(listener)
      release()
      link.send({ kind: 'unlisten', listener })
      close(closed)
    }
    server.once('listening', announced)
    callback(0, handle)
    seat.listening()
  }

  #handed(frame: ConnectionFrame, client: ClientHandle | undefined): void {
    const { link, servers, handoffs } = this.#options
    const { id, connection } = frame
    const seat = this.#seats.get(frame.listener)
    this.#answered.push(id)
    if (this.#answered.length > handoffs) this.#answered.shift()
    if (!client || !seat || seat.isFull) {
      client?.close()
      if (!client) seat?.exhausted()
      else seat?.refused()
      const reason = !client ? 'lost' : !seat ? 'closed' : 'full'
      return link.sendNow({ kind: 'refused', id, reason })
    }
    seat.promise()
    const arrived = servers.expect()
    tellStep('arrived', connection)
    // Only when this is in the pipe may the first byte be read: a primary that is told nothing gives the connection to
    // another worker, which then must find it whole.
    link.sendNow(
      { kind: 'taken', id },
      {
        written: (error) => {
          // The primary has been told nothing, so that another gets it.
          if (error) {
            client.close()
            seat.takeBack()
            return arrived()
          }
          tellStep('acknowledged', connection)
          seat.take(client, frame)
          arrived()
        },
      },
    )
  }

  /** What was sent to this worker and has not come by now got lost on its way, for want of a descriptor. */
  #owned({ ids, bounds }: AwaitedFrame): void {
    for (const { ref, listener } of bounds)
      if (this.#queries.has(ref)) this.#bound({ kind: 'bound', ref, listener, path: 'shared' }, undefined)
    const lost = ids.filter((id) => !this.#answered.includes(id))
    if (lost.length === 0) return
    for (const seat of this.#seats.values()) seat.exhausted()
    for (const id of lost) this.#options.link.send({ kind: 'refused', id, reason: 'lost' })
  }
}

/** The socket did not come along: no descriptor was left for it. */
const EMFILE = -constants.errno.EMFILE
