import type { DownFrame, MemberFrame, WelcomeFrame } from '../protocol/frames.js'
import type { MethodTable } from '../protocol/method-table.js'
import type { Transport } from '../protocol/transport.js'
import type { Clock } from './clock.js'
import type { Members } from './messaging/members.js'
import type { Router } from './messaging/router.js'
import type { Incarnation } from './supervision/incarnation.js'
import { publicState, type Slot } from './supervision/slot.js'

export interface RosterOptions {
  readonly members: Members
  readonly router: Router
  readonly clock: Clock
  readonly primaryMethods: MethodTable
}

/** How often workers are told of counts (calls, connections) that have changed, ms. States are told at once. */
const COUNTS_INTERVAL = 1_000

/**
 * The list of who is in the cluster: made from the supervisor's word of its processes, used by the router, and passed on to
 * every worker that has joined. Here supervision and messaging meet, which do not know each other.
 */
export class Roster {
  readonly #options: RosterOptions
  /** Workers that have called `joinCluster`, by incarnation. */
  readonly #audience = new Map<number, Pick<Transport<DownFrame, never>, 'send'>>()
  /** What was said last of each live process, and of the last one of each slot that has none now. */
  readonly #frames = new Map<number, MemberFrame>()
  #counting = false

  constructor(options: RosterOptions) {
    this.#options = options
  }

  joined(incarnation: number, link: Pick<Transport<DownFrame, never>, 'send'>): void {
    this.#audience.set(incarnation, link)
    this.#count()
  }

  left(incarnation: number): void {
    this.#audience.delete(incarnation)
  }

  tell(frame: DownFrame): void {
    for (const link of this.#audience.values()) link.send(frame)
  }

  changed(incarnation: Incarnation, slot: Slot, removed: boolean): void {
    const current = slot.state.incarnation === incarnation
    const state = current ? publicState(slot) : incarnation.phase === 'draining' ? 'draining' : 'starting'
    const member = { ...incarnation.record(state, current), ...this.#told(incarnation) }
    const frame: MemberFrame = { kind: 'member', member, gone: incarnation.phase === 'gone', removed }
    const previous = this.#frames.get(incarnation.ref.incarnation)
    this.#keep(frame)
    this.#options.members.apply({ ...frame, member: { ...member, connections: incarnation.connections } })
    if (previous && sameButCounts(previous, frame)) return
    this.tell(frame)
    this.#options.router.membersChanged()
  }

  welcome(): WelcomeFrame {
    return { kind: 'welcome', members: [...this.#frames.values()], primary: this.#options.primaryMethods }
  }

  /** The counts that the workers know; `#tellCounts` brings them up to date. */
  #told({ ref }: Incarnation): { calls: number; connections: number } {
    const { calls = 0, connections = 0 } = this.#frames.get(ref.incarnation)?.member ?? {}
    return { calls, connections }
  }

  #keep(frame: MemberFrame): void {
    const { id, incarnation, current } = frame.member
    // A slot is remembered by its last process until the next one is the current one.
    if (current)
      for (const [key, other] of this.#frames) if (other.gone && other.member.id === id) this.#frames.delete(key)
    if (frame.removed || (frame.gone && !current)) this.#frames.delete(incarnation)
    else this.#frames.set(incarnation, frame)
  }

  #count(): void {
    if (this.#counting) return
    this.#counting = true
    const { clock } = this.#options
    const next = (): void => {
      this.#tellCounts()
      this.#counting = this.#audience.size > 0
      if (this.#counting) clock.after(COUNTS_INTERVAL, next, { idle: true })
    }
    clock.after(COUNTS_INTERVAL, next, { idle: true })
  }

  #tellCounts(): void {
    const { members, router } = this.#options
    for (const [incarnation, frame] of this.#frames) {
      const connections = members.processes.get(incarnation)?.connections ?? 0
      const member = { ...frame.member, calls: router.calls(incarnation), connections }
      if (member.calls === frame.member.calls && connections === frame.member.connections) continue
      this.#frames.set(incarnation, { ...frame, member })
      this.tell({ ...frame, member })
    }
  }
}

function sameButCounts(a: MemberFrame, b: MemberFrame): boolean {
  const [one, other] = [a.member, b.member]
  return (
    a.gone === b.gone &&
    a.removed === b.removed &&
    one.state === other.state &&
    one.current === other.current &&
    one.pid === other.pid &&
    one.methods === other.methods
  )
}
