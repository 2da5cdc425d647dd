import type { FailedStart } from '../../protocol/errors.js'
import type { MemberRecord, WorkerState } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import { type MethodTable, NO_METHODS } from '../../protocol/method-table.js'
import type { Timer } from '../clock.js'
import type { Child, ChildExit } from './child.js'
import { addressesToInherit, missingForReady, type ReadyMode, type Seen } from './readiness.js'

type Phase = 'starting' | 'ready' | 'draining' | 'gone'

/** How its start went: ready, or why not. */
export type StartOutcome = 'ready' | FailedStart

/**
 * One process in its life, as the supervisor follows it. Holds what has been seen of it; decides nothing.
 */
export class Incarnation {
  readonly ref: ProcessRef
  /** Where its predecessor listened, and so must it before it is ready. */
  readonly required: ReadonlySet<string>
  /** Set as soon as the launcher has returned. */
  child: Child | undefined
  phase: Phase = 'starting'
  /** The runtime is ending it: its exit is no crash. */
  intended = false
  /** Somebody waits for the outcome of its start, together with others': its death is theirs to judge. */
  onTrial = false
  /** Its death stands in its slot's history already. */
  counted = false
  readonly seen: Seen = { online: false, joined: false, manual: false, listening: new Set() }
  /** Its exit has been seen. */
  reaped = false
  /** It has said `hello`, so it can be asked to drain. */
  greeted = false
  methods: MethodTable = NO_METHODS
  connections = 0
  /** Why it was killed before it was ready, if the supervisor did that. */
  verdict: string | undefined
  exit: ChildExit | undefined
  /** How it ended, if nobody had asked it to. */
  failure: FailedStart | undefined
  /** The limit on its start; the limit between its `disconnect` and its `exit`. Whoever ends the phase cancels them. */
  readyTimer: Timer | undefined
  exitTimer: Timer | undefined

  readonly started = new Signal<StartOutcome>()
  readonly drained = new Signal<{ readonly cut: number }>()
  readonly released = new Signal<void>()
  readonly exited = new Signal<ChildExit>()

  constructor(ref: ProcessRef, required: ReadonlySet<string>) {
    this.ref = ref
    this.required = required
  }

  get pid(): number {
    return this.child?.pid ?? 0
  }

  /** Until its exit has been told. One whose channel has closed is `gone` for calls, but may still be alive. */
  get alive(): boolean {
    return !this.exited.fired
  }

  get toInherit(): ReadonlySet<string> {
    return addressesToInherit(this.seen.listening, this.pid)
  }

  missing(mode: ReadyMode): readonly string[] {
    return missingForReady(mode, this.seen, this.required)
  }

  record(state: WorkerState, current: boolean): MemberRecord {
    return {
      ...this.ref,
      pid: this.pid,
      state,
      current,
      calls: 0,
      connections: this.connections,
      methods: this.methods,
    }
  }
}

/** A promise that is settled from outside, once, and can be asked whether it was. */
class Signal<T> {
  readonly promise: Promise<T>
  #resolve!: (value: T) => void
  #fired = false

  constructor() {
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  get fired(): boolean {
    return this.#fired
  }

  fire(value: T): void {
    this.#fired = true
    this.#resolve(value)
  }
}
