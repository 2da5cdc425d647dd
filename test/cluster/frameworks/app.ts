import type { ClusterOptions, PrimaryCluster, UntypedContract } from 'troupe'
import { onTestFinished } from 'vitest'
import { freePort } from '../../support/free-port.js'
import { fixture, startCluster } from '../../support/processes.js'

/** An app that knows nothing of Troupe, in two workers. */
export interface App {
  readonly cluster: PrimaryCluster<UntypedContract>
  readonly port: number
}

/** Starts it with its port in PORT, as most platforms tell an app where to listen. `exec` overrides what is run. */
export async function runApp(name: string, { env, ...options }: ClusterOptions = {}): Promise<App> {
  const port = await freePort()
  const cluster = await startCluster({
    exec: fixture(`frameworks/${name}`),
    workers: 2,
    ready: 'listen',
    env: { PORT: String(port), ...env },
    ...options,
  })
  return { cluster, port }
}

/** What a test asks an app over: every kind of client has these two. */
export interface Connection {
  /** The process that serves this connection. */
  pid(): Promise<number>
  close(): void
}

/**
 * Opens connections until every worker has answered on one. They stay open until the test ends: policies go by live
 * connections, so a worker that has some leaves the next ones to the others.
 */
export async function reachAll<C extends Connection>(
  { cluster }: { cluster: { workers: ReadonlyMap<number, { pid: number }> } },
  open: () => C,
): Promise<C[]> {
  const wanted = new Set([...cluster.workers.values()].map(({ pid }) => pid))
  const connections: C[] = []
  onTestFinished(() => {
    for (const connection of connections) connection.close()
  })
  const reached = new Set<number>()
  while (reached.size < wanted.size) {
    if (connections.length === ENOUGH)
      throw new Error(`${ENOUGH} connections came to ${[...reached]} of ${[...wanted]}`)
    const connection = open()
    connections.push(connection)
    const pid = await connection.pid()
    if (!wanted.has(pid)) throw new Error(`Expected an answer of ${[...wanted]}, got ${pid}`)
    reached.add(pid)
  }
  return connections
}

/** Of so many, none coming to one of two workers is no chance event with any policy. */
const ENOUGH = 64
