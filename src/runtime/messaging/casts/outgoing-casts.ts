import { toCallerError } from '../../../protocol/declared-errors.js'
import type { ErrorRecord } from '../../../protocol/error-record.js'
import {
  CallTimeoutError,
  ClusterClosedError,
  type MailboxFullDetails,
  MailboxFullError,
} from '../../../protocol/errors.js'
import type { DroppedFrame, PassedFrame, Payload, WireTarget } from '../../../protocol/frames.js'
import type { ProcessRef } from '../../../protocol/ids.js'
import type { Timer } from '../../clock.js'
import { DropLog } from '../../drop-log.js'
import type { Logger } from '../../logger.js'
import { type CallName, nameOf } from '../call-name.js'
import type { SendingOptions } from '../caller.js'
import { HandOver } from '../messaging-link.js'
import { rejected } from '../rejected.js'
import { CAST_ROOM, lengthOf } from './cast-room.js'

export interface OutgoingCastsOptions extends SendingOptions {
  readonly self: ProcessRef
  readonly logger: Logger
}

/** A cast, its arguments encoded. */
export interface Cast {
  readonly to: WireTarget
  readonly method: string
  readonly payload: Payload
}

/** What became of a cast that was waited for. */
type Verdict = 'passed' | 'late' | 'closed' | ErrorRecord

interface Waiting {
  readonly until: number
  readonly settle: (verdict: Verdict) => void
}

/** The casts of this process to one address. */
interface Way {
  /** Where the last one is. */
  at: number
  /** Up to where all have been taken, as the router said last. */
  passed: number
  /** One has been dropped since then, or nothing has been said yet: nobody may be ahead. */
  held: boolean
  /** It was dropped because the target's link was full. */
  full: boolean
  /** Those that wait for the router's word, by their place, the oldest first. */
  readonly waiting: Map<number, Waiting>
  timer: Timer | undefined
}

/** Timers for casts that were made within so many ms are one: there may be thousands. */
const SHARED = 20

/**
 * The casts that this process makes. One resolves when it has left, so that who awaits it goes no faster than the way to its
 * target; over the way's limits it is refused. The primary's own see the target's link; a worker is told (`cast-room.ts`).
 */
export class OutgoingCasts {
  readonly #options: OutgoingCastsOptions
  readonly #handOver: HandOver
  readonly #drops: DropLog
  readonly #ways = new Map<WireTarget, Way>()
  #closed = false

  constructor(options: OutgoingCastsOptions) {
    this.#options = options
    this.#handOver = new HandOver(options.clock, options.timeouts.call)
    this.#drops = new DropLog(options.logger, options.clock)
  }

  send({ to, method, payload }: Cast): Promise<void> {
    const { link, self } = this.#options
    const name = nameOf(to, method)
    if (this.#closed) return rejected(new ClusterClosedError(name))
    if (link.isFull(to)) return rejected(this.#tooMany(name))
    // What goes to the primary has arrived when this process's own link has taken it, and the primary sees all links.
    // No chain: nobody waits for a cast, so it cannot be part of a cycle.
    if (self.id === 0 || to === 0) {
      link.send({ kind: 'call', to, method, payload })
      return this.#handOver.done(link.castFlushed(), name)
    }
    const way = this.#wayTo(to)
    // Of those that wait there will be word; until then another one need not go there to be refused.
    if (way.full && way.waiting.size > 0) return rejected(this.#tooMany(name))
    return this.#taken(this.#sendOn(way, { to, method, payload }), name)
  }

  async #taken(word: Promise<Verdict> | undefined, name: CallName): Promise<void> {
    if (word !== undefined) this.#judge(await word, name)
    await this.#handOver.done(this.#options.link.castFlushed(), name)
  }

  passed({ to, cast, held = false }: PassedFrame): boolean {
    const way = this.#ways.get(to)
    if (!way || cast > way.at) return false
    way.passed = Math.max(way.passed, cast)
    way.held = held
    way.full = false
    for (const at of way.waiting.keys()) {
      if (at - way.passed > (held ? 0 : CAST_ROOM)) break
      this.#settle(way, at, 'passed')
    }
    return true
  }

  dropped({ to, cast, error }: DroppedFrame): boolean {
    const way = this.#ways.get(to)
    if (!way || cast > way.at) return false
    way.held = true
    way.full = isFull(error)
    if (!this.#settle(way, cast, error))
      this.#drops.add(`cast ${error.code}`, `a cast was dropped: ${toCallerError(error).message}`)
    return true
  }

  /** The link has ended: nobody will say what became of those that wait. */
  close(): void {
    this.#closed = true
    for (const way of this.#ways.values()) for (const at of [...way.waiting.keys()]) this.#settle(way, at, 'closed')
  }

  /** By way of the router, whose word is waited for unless this one may be ahead of it. */
  #sendOn(way: Way, { to, method, payload }: Cast): Promise<Verdict> | undefined {
    way.at += lengthOf(payload)
    const isAhead = !way.held && way.at - way.passed <= CAST_ROOM
    const word = isAhead ? undefined : this.#word(way)
    this.#options.link.send({ kind: 'call', cast: way.at, to, method, payload })
    return word
  }

  #word(way: Way): Promise<Verdict> {
    const { clock, timeouts } = this.#options
    return new Promise((settle) => {
      way.waiting.set(way.at, { until: clock.now() + timeouts.call, settle })
      if (!way.timer) this.#watch(way, timeouts.call)
    })
  }

  #judge(verdict: Verdict, name: CallName): void {
    if (verdict === 'passed') return
    if (verdict === 'closed') throw new ClusterClosedError({ ...name, sent: 'maybe' })
    if (verdict !== 'late') throw toCallerError(verdict)
    const { call: timeout } = this.#options.timeouts
    throw new CallTimeoutError({ ...name, timeout, sent: 'maybe', stage: { kind: 'unknown' } })
  }

  #tooMany(name: CallName): MailboxFullError {
    return new MailboxFullError({ ...name, limit: this.#options.limits.link, queue: 'link', sent: 'no' })
  }

  #settle(way: Way, at: number, verdict: Verdict): boolean {
    const waiting = way.waiting.get(at)
    way.waiting.delete(at)
    waiting?.settle(verdict)
    if (way.waiting.size === 0) {
      way.timer?.cancel()
      way.timer = undefined
    }
    return waiting !== undefined
  }

  #watch(way: Way, ms: number): void {
    const { clock } = this.#options
    way.timer = clock.after(ms + SHARED, () => {
      way.timer = undefined
      const now = clock.now()
      for (const [at, { until }] of way.waiting) {
        if (until > now) return this.#watch(way, until - now)
        this.#settle(way, at, 'late')
      }
    })
  }

  #wayTo(to: WireTarget): Way {
    let way = this.#ways.get(to)
    if (!way) {
      way = { at: 0, passed: 0, held: true, full: false, waiting: new Map(), timer: undefined }
      this.#ways.set(to, way)
    }
    return way
  }
}

function isFull({ code, details }: ErrorRecord): boolean {
  return code === 'ERR_MAILBOX_FULL' && (details as Partial<MailboxFullDetails>).queue === 'link'
}
