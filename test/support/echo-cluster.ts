import { type ClusterOptions, createCluster, currentCall, type PrimaryCluster } from 'troupe'
import type { EchoContract } from '../cluster/fixtures/echo-contract.js'

export const ECHO_WORKER = new URL('../../build/fixtures/echo.js', import.meta.url)

/** A cluster of echo workers. `await using` it: it ends with the test. */
export async function echoCluster(
  options: ClusterOptions<EchoContract> = {},
): Promise<PrimaryCluster<EchoContract> & { collected: number[] }> {
  const collected: number[] = []
  const cluster = await createCluster<EchoContract>({
    exec: ECHO_WORKER,
    workers: 2,
    timeouts: { drain: 500, kill: 2_000 },
    methods: {
      whoCalls: () => currentCall().caller,
      collect: (value: number) => void collected.push(value),
      slow: (ms: number) => new Promise((resolve) => setTimeout(() => resolve('done'), ms)),
    },
    ...options,
  })
  return Object.assign(cluster, { collected })
}

/** The process behind a worker id, for killing it. */
export function pidOf(cluster: PrimaryCluster<EchoContract>, id: number): number {
  const pid = cluster.workers.get(id)?.pid
  if (!pid) throw new Error(`worker ${id} has no process`)
  return pid
}

/** Resolves at the next `ready` of that worker id. */
export function nextReady(cluster: PrimaryCluster<EchoContract>, id: number): Promise<void> {
  return new Promise((resolve) => {
    const off = cluster.on('ready', (event) => {
      if (event.id !== id) return
      off()
      resolve()
    })
  })
}

/** Gives what a promise rejects with; fails when it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('Expected a rejection, and it resolved')
}
