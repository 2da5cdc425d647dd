import type { ClusterOptions } from 'troupe'

export interface Way {
  readonly way: string
  readonly balance: ClusterOptions['balance']
}

/** How a connection comes to a worker. What an app sees must be the same. */
export const WAYS: readonly Way[] = [
  { way: 'accepted by the worker', balance: 'round-robin' },
  { way: 'handed over', balance: { policy: 'round-robin', accept: 'primary' } },
]

/** For apps that speak HTTP in clear text. On other ports it would come down to a client's address, and there is one here. */
export const HTTP_WAYS: readonly Way[] = [
  ...WAYS,
  { way: 'read, then handed over', balance: { cookie: 'worker', issue: true } },
]
