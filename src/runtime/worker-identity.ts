import type { ProcessRef } from '../protocol/ids.js'
import type { Limits, Timeouts } from './limits.js'

/** What a worker is told at its birth, in one environment variable that the preload takes out of the environment again. */
export interface WorkerIdentity extends ProcessRef {
  /** The primary's pid: a process that has another parent has inherited the variable, and is no worker of ours. */
  readonly primary: number
  readonly signals: boolean
  readonly limits: Limits
  readonly timeouts: Timeouts
  /** Its signs of life tell how many requests it has had. */
  readonly countsRequests?: boolean
  /** It may have direct links to other workers. */
  readonly directLinks?: boolean
}

const VARIABLE = 'TROUPE_WORKER'

export function writeIdentity(identity: WorkerIdentity): Record<string, string> {
  return { [VARIABLE]: JSON.stringify(identity) }
}

/** Reads and removes it, so that what the worker forks inherits nothing. `undefined` in any process that is not a worker of ours. */
export function takeIdentity(env: NodeJS.ProcessEnv, parent: number): WorkerIdentity | undefined {
  const text = env[VARIABLE]
  delete env[VARIABLE]
  if (text === undefined) return undefined
  try {
    const identity = JSON.parse(text) as WorkerIdentity
    return identity.primary === parent ? identity : undefined
  } catch {
    return undefined
  }
}
