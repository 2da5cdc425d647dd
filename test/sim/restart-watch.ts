import type { UntypedContract } from '../../src/protocol/contract.js'
import type { PrimaryCluster } from '../../src/runtime/primary.js'
import type { RestartOptions } from '../../src/runtime/supervision/restart-policy.js'
import type { Violation } from './violation.js'

/** The timers of the simulation cut the fraction of a millisecond off. */
const STEP = 2

/** Counts starts and restarts from outside, by the cluster's events, and holds them to the restart options. */
export class RestartWatch {
  readonly #cluster: PrimaryCluster<UntypedContract>
  readonly #restart: Pick<RestartOptions, 'max' | 'within'> & { readonly slowest: number }
  readonly #now: () => number
  readonly #note: (violation: Violation) => void
  /** By id: when it was restarted, within the window. */
  readonly #restarts = new Map<number, number[]>()
  /** By id: restarts that were told of, and have not been made. */
  readonly #due = new Map<number, number>()
  readonly #lastRetry = new Map<number, number>()
  #reloading = false
  forks = 0

  constructor(
    cluster: PrimaryCluster<UntypedContract>,
    restart: Pick<RestartOptions, 'max' | 'within'> & { readonly slowest: number },
    now: () => number,
    note: (violation: Violation) => void,
  ) {
    this.#cluster = cluster
    this.#restart = restart
    this.#now = now
    this.#note = note
    cluster.on('restart', ({ id }) => this.#restarts_(id))
    cluster.on('fork', ({ id }) => this.#forked(id))
    cluster.on('exit', ({ id, intended }) => {
      // Its slot goes, or is somebody else's from now on.
      if (intended) this.#restarts.delete(id)
    })
    cluster.on('reload', ({ phase }) => {
      this.#reloading = phase === 'started'
      // A new program has died of nothing yet.
      if (phase === 'finished') this.#restarts.clear()
    })
  }

  /** Scaled away, perhaps while it had no process that could end: what fills that id later is another slot. */
  removed(id: number): void {
    this.#restarts.delete(id)
    this.#lastRetry.delete(id)
  }

  #restarts_(id: number): void {
    const { max, within } = this.#restart
    const now = this.#now()
    const recent = [...(this.#restarts.get(id) ?? []).filter((time) => now - time < within), now]
    this.#restarts.set(id, recent)
    this.#due.set(id, (this.#due.get(id) ?? 0) + 1)
    if (recent.length > max && !this.#reloading)
      this.#note({ invariant: 'restarts', what: `worker ${id} was restarted ${recent.length} times in ${within} ms` })
  }

  #forked(id: number): void {
    this.forks++
    const slot = this.#cluster.workers.get(id)
    const due = this.#due.get(id) ?? 0
    if (!slot || this.#reloading) return
    if (slot.state === 'failed') return this.#retried(id)
    if (due === 0) this.#note({ invariant: 'restarts', what: `worker ${id} was started without a cause` })
    else this.#due.set(id, due - 1)
  }

  /** A slot at its limit is tried at the slowest pace. */
  #retried(id: number): void {
    const now = this.#now()
    const since = now - (this.#lastRetry.get(id) ?? Number.NEGATIVE_INFINITY)
    this.#lastRetry.set(id, now)
    if (since < this.#restart.slowest - STEP)
      this.#note({ invariant: 'restarts', what: `worker ${id}, which has failed, was tried again after ${since} ms` })
  }
}
