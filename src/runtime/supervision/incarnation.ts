import type { FailedStart } from '../../protocol/errors.js'
import type { HealthFrame, MemberRecord, WorkerState } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import { type MethodTable, NO_METHODS } from '../../protocol/method-table.js'
import type { Timer } from '../clock.js'
import type { RecordedLink } from '../evidence/recorded-link.js'
import type { Child } from './child.js'
import type { ExitEvent } from './events.js'
import { Latch } from './latch.js'
import { addressesToInherit, missingForReady, type ReadyMode, type Seen } from './readiness.js'

/**
 * `standby`: it is ready, but its id still means another process, until the whole of its reload takes over. Only one that is
 * `ready` is what its id means and may be given connections and calls; it is `draining` before it is asked to drain.
 */
type Phase = 'starting' | 'standby' | 'ready' | 'draining' | 'gone'

/** How its start went: ready, or why not. */
export type StartOutcome = 'ready' | FailedStart

/** How it ended, when that has been told. */
export interface ProcessEnd {
  readonly event: ExitEvent
  /** Absent when the runtime had asked it to end, and found nothing wrong with it. */
  readonly failure: FailedStart | undefined
}

/**
 * One process in its life, as the supervisor follows it. Holds what has been seen of it; decides nothing.
 */
export class Incarnation {
  readonly ref: ProcessRef
  /** Where its predecessor listened, and so must it before it is ready. */
  readonly required: ReadonlySet<string>
  /** Set as soon as the launcher has returned. */
  child: Child | undefined
  /** The way to it, and what has passed there. */
  link: RecordedLink | undefined
  phase: Phase = 'starting'
  /** The runtime is ending it: its exit is no crash. */
  intended = false
  /** Somebody waits for the outcome of its start, together with others': its death is theirs to judge. */
  onTrial = false
  readonly seen: Seen = { online: false, joined: false, manual: false, listening: new Set() }
  /** Its exit has been seen, and is told when its last words have been read. */
  reaped = false
  /** It has said `hello`, so it can be asked to drain. */
  greeted = false
  methods: MethodTable = NO_METHODS
  connections = 0
  /** It is out of rotation, for it gives no sign of life. The heartbeat writes it; it means something while it is `ready`. */
  unhealthy = false
  /** What it last said of itself. */
  health: HealthFrame | undefined
  /** Why the supervisor killed it, if it did. */
  verdict: string | undefined
  /** The runtime has sent it SIGKILL, so that nobody else need have done so. */
  killed = false
  /** The limit on its start; the limit between its `disconnect` and its `exit`. Whoever ends the phase cancels them. */
  readyTimer: Timer | undefined
  exitTimer: Timer | undefined

  readonly started = new Latch<StartOutcome>()
  readonly drained = new Latch<{ readonly cut: number }>()
  readonly released = new Latch<void>()
  readonly exited = new Latch<ProcessEnd>()

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
