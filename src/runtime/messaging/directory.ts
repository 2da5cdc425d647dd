import type { Target } from '../../protocol/address.js'
import { MailboxFullError, NoSuchWorkerError, type TroupeError, WorkerUnavailableError } from '../../protocol/errors.js'
import type { CallFrame, WireTarget } from '../../protocol/frames.js'
import type { Incarnation } from '../../protocol/ids.js'
import type { Limits } from '../limits.js'
import type { Endpoint } from './endpoint.js'
import type { Members } from './members.js'
import { type Resolution, resolve } from './resolve.js'

export type Refusal = Extract<Resolution, { kind: 'full' | 'nobody' }>

/** What whoever sends calls and casts on asks: the router asks its `Directory`, a worker's own switch its links. */
export type RouteDirectory = Pick<Directory, 'endpoints' | 'nextTurn' | 'resolve' | 'refusalOf' | 'noRoom'>

/** Where a call may go now: `resolve` over the members, and over what the router knows of their links and queues. */
export class Directory {
  readonly endpoints = new Map<Incarnation, Endpoint>()
  readonly #members: Members
  readonly #limits: Limits
  #turn = 0

  constructor(members: Members, limits: Limits) {
    this.#members = members
    this.#limits = limits
  }

  /** Equals take turns: each call and cast to `'any'` is one. */
  nextTurn(): void {
    this.#turn++
  }

  resolve(to: WireTarget, refusedBy?: ReadonlySet<Endpoint>): Resolution {
    const resolution = resolve(to, {
      workers: this.#members.workers,
      turn: this.#turn,
      hasRoom: refusedBy
        ? (incarnation) => this.#hasRoom(incarnation) && !refusedBy.has(this.endpoints.get(incarnation) as Endpoint)
        : this.#hasRoom,
    })
    if (resolution.kind === 'full' && typeof to === 'number' && this.#endpointOf(to)?.leaving) {
      return { kind: 'nobody', reason: `worker ${to} is being removed` }
    }
    return resolution
  }

  refusalOf(resolution: Refusal, name: CallName): TroupeError {
    if (resolution.kind === 'nobody') return new NoSuchWorkerError({ ...name, reason: resolution.reason })
    const ids = typeof name.target === 'number' ? [name.target] : [...this.#members.workers.keys()]
    const queue = ids.every((id) => this.#endpointOf(id)?.full) ? 'link' : 'mailbox'
    const { target, method, sent } = name
    // One by one: of objects that are spread, V8 keeps something each time until its slow collection, and a program that casts
    // to a worker which does not read makes thousands of these.
    return new MailboxFullError({ target, method, sent, limit: this.#limits[queue], queue })
  }

  noRoom(call: Pick<CallFrame, 'to' | 'method'>): WorkerUnavailableError {
    const reason = `the worker is starting, and ${this.#limits.waiting} calls wait for it already (\`limits.waiting\`)`
    return new WorkerUnavailableError({ ...nameOf(call), reason })
  }

  readonly #hasRoom = (incarnation: Incarnation): boolean => {
    const endpoint = this.endpoints.get(incarnation)
    if (!endpoint) return true
    return endpoint.serving.size < this.#limits.mailbox && !endpoint.full && !endpoint.leaving
  }

  #endpointOf(id: number): Endpoint | undefined {
    const worker = this.#members.workers.get(id)
    return worker && this.endpoints.get(worker.incarnation)
  }
}

/** What an error about a call that was not sent says of it. */
export interface CallName {
  readonly target: Target
  readonly method: string
  readonly sent: 'no'
}

export function nameOf({ to, method }: Pick<CallFrame, 'to' | 'method'>): CallName {
  return { target: to === 0 ? 'primary' : to, method, sent: 'no' }
}
