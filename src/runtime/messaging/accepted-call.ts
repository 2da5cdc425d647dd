import type { ChainLink, InvokeFrame } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import type { Clock } from '../clock.js'
import { CallContext, type CallContextFields } from './call-context.js'
import type { Letter } from './mailbox.js'
import type { RegisteredMethod } from './method-registry.js'
import type { Watched } from './progress.js'

/** A call or a cast that has come, from then until its method has settled: one object for all who have to do with it. */
export class AcceptedCall implements Letter, Watched, CallContextFields {
  readonly frame: InvokeFrame
  readonly registered: RegisteredMethod
  readonly target: number
  readonly acceptedAt: number
  readonly context: CallContext
  startedAt: number | undefined
  /** It was not started when it came. */
  hasWaited = false
  /** When its caller is told of it next. */
  due = 0
  place = 0
  readonly #begin: (call: AcceptedCall) => void
  #chain: readonly ChainLink[] | undefined

  constructor(
    frame: InvokeFrame,
    registered: RegisteredMethod,
    target: number,
    clock: Clock,
    acceptedAt: number,
    begin: (call: AcceptedCall) => void,
  ) {
    this.frame = frame
    this.registered = registered
    this.target = target
    this.acceptedAt = acceptedAt
    this.context = new CallContext(this, clock)
    this.#begin = begin
  }

  get method(): string {
    return this.frame.method
  }

  get route(): number | undefined {
    return this.frame.route
  }

  get caller(): ProcessRef {
    return this.frame.from
  }

  get deadline(): number {
    return this.frame.deadline ?? Number.POSITIVE_INFINITY
  }

  /** Those that wait for it, and itself. Made for the first call that it makes, and the same for all. */
  get chain(): readonly ChainLink[] {
    this.#chain ??= [...(this.frame.chain ?? []), [this.route ?? 0, this.target, this.method]]
    return this.#chain
  }

  isAwaitedBy(route: number): boolean {
    return this.frame.chain?.some(([ancestor]) => ancestor === route) ?? false
  }

  start(): void {
    this.#begin(this)
  }
}
