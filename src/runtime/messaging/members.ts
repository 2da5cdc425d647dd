import type { MemberFrame, MemberRecord, WorkerState } from '../../protocol/frames.js'
import type { Incarnation, WorkerId } from '../../protocol/ids.js'
import { type MethodTable, type MethodTraits, traitsOf } from '../../protocol/method-table.js'

/** A worker as the cluster sees it. A snapshot of who it is, with counts that are read when you read them. */
export interface WorkerInfo {
  /** The slot, 1..n. Survives restarts. */
  readonly id: number
  /** The process that fills the slot now, or filled it last. */
  readonly incarnation: number
  /** Its process id. */
  readonly pid: number
  readonly state: WorkerState
  /** Calls accepted and not answered. In a worker: as of the primary's last word. */
  readonly calls: number
  /** Open connections of its servers, as it last said. */
  readonly connections: number
}

/** Counts that change with every call, asked for when somebody reads them. */
export interface LiveCounts {
  calls(incarnation: Incarnation): number
}

/** Who is in the cluster: fed by the supervisor in the primary, and by its `member` frames in a worker. */
export class Members {
  /** By slot: what each id means now. */
  readonly workers = new Map<WorkerId, Member>()
  /** By incarnation: every live process, draining ones too. */
  readonly processes = new Map<Incarnation, Member>()
  readonly #counts: LiveCounts | undefined

  constructor(counts?: LiveCounts) {
    this.#counts = counts
  }

  apply({ member: record, gone, removed }: Omit<MemberFrame, 'kind'>): void {
    const member = new Member(record, this.#counts)
    if (gone) this.processes.delete(record.incarnation)
    else this.processes.set(record.incarnation, member)
    if (removed) this.workers.delete(record.id)
    else if (record.current) this.workers.set(record.id, member)
  }

  /**
   * What is known of a method. Workers of one cluster run one program, so that a worker that has not told its methods yet
   * (it is starting) is judged by the others.
   */
  traits(to: WorkerId | 'any', method: string): MethodTraits | undefined {
    const own = to === 'any' ? undefined : this.workers.get(to)
    const traits = own && traitsOf(own.methods, method)
    if (traits) return traits
    for (const worker of this.workers.values()) {
      const traits = traitsOf(worker.methods, method)
      if (traits) return traits
    }
    return undefined
  }
}

export class Member implements WorkerInfo {
  readonly id: number
  readonly incarnation: number
  readonly pid: number
  readonly state: WorkerState
  readonly connections: number
  readonly #calls: number
  readonly #methods: MethodTable
  readonly #counts: LiveCounts | undefined

  constructor(record: MemberRecord, counts: LiveCounts | undefined) {
    this.id = record.id
    this.incarnation = record.incarnation
    this.pid = record.pid
    this.state = record.state
    this.connections = record.connections
    this.#calls = record.calls
    this.#methods = record.methods
    this.#counts = counts
    // The router decides by it, and programs get it: theirs to read.
    Object.freeze(this)
  }

  get calls(): number {
    return this.#counts?.calls(this.incarnation) ?? this.#calls
  }

  get methods(): MethodTable {
    return this.#methods
  }

  /** The six fields of `WorkerInfo`, the live ones read now: for a health endpoint, and for `console.log`. */
  toJSON(): WorkerInfo {
    const { id, incarnation, pid, state, calls, connections } = this
    return { id, incarnation, pid, state, calls, connections }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): WorkerInfo {
    return this.toJSON()
  }
}
