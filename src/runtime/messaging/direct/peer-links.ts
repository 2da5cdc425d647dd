import { MailboxFullError, type TroupeError } from '../../../protocol/errors.js'
import type { CallFrame, WireTarget } from '../../../protocol/frames.js'
import type { Incarnation } from '../../../protocol/ids.js'
import { blockOfRoute, isDirect } from '../../../protocol/routes.js'
import type { Limits } from '../../limits.js'
import { type CallName, nameOf, type RouteDirectory } from '../directory.js'
import type { Endpoint } from '../endpoint.js'
import type { Members } from '../members.js'
import type { Resolution } from '../resolve.js'
import type { PeerLink } from './peer-link.js'

/**
 * The links of this process: who has one, and whose is a number. Also the directory of what goes over them: where there is no
 * link, a call has to wait, which means that the primary gets it.
 */
export class PeerLinks implements RouteDirectory {
  readonly endpoints = new Map<Incarnation, Endpoint>()
  readonly #members: Members
  readonly #limits: Limits
  /** Also one that has ended, until it is known how its process did. */
  readonly #links = new Map<Incarnation, PeerLink>()
  /** Ended links of processes that have a new one. */
  #former: PeerLink[] = []
  /** By the block of what comes from there. */
  readonly #byBlock = new Map<number, PeerLink>()

  constructor(members: Members, limits: Limits) {
    this.#members = members
    this.#limits = limits
  }

  add(link: PeerLink): void {
    const { incarnation } = link.ref
    const before = this.#links.get(incarnation)
    if (before) this.#former.push(before)
    this.#links.set(incarnation, link)
    this.#byBlock.set(link.theirBlock, link)
    this.endpoints.set(incarnation, link.endpoint)
  }

  get(incarnation: Incarnation): PeerLink | undefined {
    return this.#links.get(incarnation)
  }

  /** The link to what that address means now, if calls may go there. */
  to(target: WireTarget): PeerLink | undefined {
    if (typeof target !== 'number' || target === 0) return undefined
    const member = this.#members.workers.get(target)
    const link = member && this.#links.get(member.incarnation)
    return link?.takesCalls ? link : undefined
  }

  /** The link that a call came on. */
  ofRoute(route: number): PeerLink | undefined {
    return isDirect(route) ? this.#byBlock.get(blockOfRoute(route)) : undefined
  }

  /** Those that have not ended; some are not open yet. */
  living(): PeerLink[] {
    return [...this.#links.values()].filter(({ hasEnded }) => !hasEnded)
  }

  /** Nothing goes there any more. What is in flight waits for word of how its process has ended, if it has. */
  end(link: PeerLink): void {
    this.#byBlock.delete(link.theirBlock)
    if (this.#links.get(link.ref.incarnation) === link) this.endpoints.delete(link.ref.incarnation)
  }

  /** Takes out the ended links of a process that is dead. */
  take(incarnation: Incarnation): PeerLink[] {
    const taken = this.#former.filter(({ ref }) => ref.incarnation === incarnation)
    this.#former = this.#former.filter((link) => !taken.includes(link))
    const link = this.#links.get(incarnation)
    if (!link?.hasEnded) return taken
    this.#links.delete(incarnation)
    return [...taken, link]
  }

  // ---------------------------------------------------------------------------------- as a directory

  /** There are no turns: nothing is sent to any. */
  nextTurn(): void {}

  resolve(to: WireTarget): Resolution {
    const link = this.to(to)
    if (!link) return { kind: 'wait', room: to }
    const { serving, full } = link.endpoint
    if (serving.size >= this.#limits.mailbox || full) return { kind: 'full' }
    return { kind: 'deliver', incarnation: link.ref.incarnation }
  }

  refusalOf(_: Resolution, name: CallName): TroupeError {
    const isFull = typeof name.target === 'number' && this.to(name.target)?.endpoint.full
    const queue = isFull ? 'link' : 'mailbox'
    return new MailboxFullError({ ...name, limit: this.#limits[queue], queue })
  }

  /** Never asked: the primary takes all that waits. */
  noRoom(call: Pick<CallFrame, 'to' | 'method'>): never {
    throw new Error(`There is always room for a call to ${nameOf(call).target} in the primary`)
  }
}
