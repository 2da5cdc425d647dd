import cluster from 'node:cluster'
import type { Server as NetServer } from 'node:net'
import type { ListenFrame } from '../protocol/frames.js'
import type { ServerHandle } from './handles.js'

/*
 * What node's own code for workers does at `listen`, as far as it is reached from here: none of it is documented, all of it
 * is the same from Node 20 to 26.
 */

/** What a server asks its handle for. */
export type QueryOptions = Pick<
  ListenFrame,
  'address' | 'port' | 'addressType' | 'fd' | 'flags' | 'backlog' | 'readableAll' | 'writableAll'
>

/** Gets the handle, or node's errno. */
export type QueryCallback = (errno: number, handle: ServerHandle | null) => void

const worker = cluster as typeof cluster & {
  _getServer: (server: NetServer, options: QueryOptions, callback: QueryCallback) => void
}

/** Asks `ask` where node would ask the primary for a server's handle. */
export function replaceGetServer(ask: typeof worker._getServer): void {
  const getServer = worker._getServer
  worker._getServer = (server, options, callback) => {
    // Datagrams have no connections to route.
    if (String(options.addressType).startsWith('udp')) return getServer.call(worker, server, options, callback)
    ask(server, options, callback)
  }
}

/** TLS servers: what one of them has to share with those in other workers. */
export type SharingServer = NetServer & { _getServerData?: () => unknown; _setServerData?: (data: unknown) => void }

/** Node's own word to the primary, whose `cluster.on('listening')` and `worker.state` go by it. */
export function announce(server: NetServer, { address, addressType, fd, port }: QueryOptions): void {
  if (cluster.worker) (cluster.worker as typeof cluster.worker & { state: string }).state = 'listening'
  const bound = server.address()
  const actual = typeof bound === 'object' ? bound?.port : undefined
  const message = { cmd: 'NODE_CLUSTER', act: 'listening', address, addressType, fd, port: actual || port }
  process.send?.(message, undefined, undefined, () => {})
}

/** `cluster.worker.disconnect()` closes the servers that the cluster has given handles to, as node does for its own. */
export function closeBeforeDisconnect(close: () => Promise<void>): void {
  const { worker } = cluster
  if (!worker) return
  const disconnect = worker.disconnect.bind(worker)
  worker.disconnect = () => {
    void close().then(disconnect)
    return worker
  }
}
