import type { ProcessRef } from '../../src/protocol/ids.js'

// What a run of the simulation writes down, so that it can be judged afterwards. Written by the workload, read by the
// invariants.

/** How a process is named here: by its incarnation, the primary as 0. */
export type Who = number

/** One call, cast, publish or reading of a stream that somebody has made. */
export interface Operation {
  readonly tag: number
  readonly kind: 'call' | 'cast' | 'callAll' | 'publish' | 'stream'
  readonly from: Who
  readonly to: number | 'any' | 'primary' | 'all'
  readonly method: string
  readonly sentAt: number
  /** `Infinity`: a cast, or a publish without `ack`. */
  readonly deadline: number
  /** Calls of one method with the same key are carried out once by each process. */
  readonly key?: string | undefined
  readonly channel?: string | undefined
  /** What of it cannot be written, wherever it has to be. */
  readonly oversized?: 'question' | 'answer' | undefined
  /** Of a stream: what its reader asked for, and got. */
  readonly reading?: Reading | undefined
  /** When its signal, or that of the call around it, has fired. */
  abortedAt: number | undefined
  readonly settlements: Settlement[]
}

export interface Reading {
  /** What the generator is to give, and whether it throws after that. */
  readonly items: number
  readonly fails: boolean
  /** Ms: the longest wait for an item, and the longest time without asking for one. */
  readonly timeout: number
  readonly idle: number
  readonly came: number[]
  readonly asks: { readonly at: number; answeredAt: number }[]
  end: 'done' | 'left' | 'failed' | undefined
  /** What the generator returned. */
  returned: unknown
  /** Was there anything after the end? */
  more: boolean
}

export interface Settlement {
  readonly at: number
  readonly value?: unknown
  readonly error?: unknown
}

/** A method that ran. */
export interface Execution {
  readonly tag: number
  readonly by: ProcessRef
  readonly caller: ProcessRef | undefined
  readonly method: string
  readonly key: string | undefined
  readonly startedAt: number
  endedAt: number | undefined
}

/** A handler of a channel that was called. */
export interface Hearing {
  readonly tag: number
  readonly by: ProcessRef
  readonly channel: string
  readonly at: number
  settledAt: number | undefined
  threw: boolean
}

/** One process's subscription to a channel, from when it is asked for until it ends. */
export interface Session {
  readonly who: Who
  readonly channel: string
  activeAt: number
  endedAt: number
  readonly heard: Hearing[]
}

/** The primary has said that a process does not keep up. */
export interface Overflowed {
  readonly at: number
  readonly incarnation: Who
  readonly channel: string
  readonly overflow: string
  readonly dropped: number
}

export class Ledger {
  readonly operations: Operation[] = []
  readonly executions: Execution[] = []
  readonly hearings: Hearing[] = []
  readonly sessions: Session[] = []
  readonly overflows: Overflowed[] = []
  /** By incarnation: methods that run now, and the most that ever did. */
  readonly running = new Map<Who, { now: number; most: number }>()
  #lastTag = 0

  /** Tags are given in the order in which things are sent, so that they tell that order, too. */
  open(operation: Omit<Operation, 'tag' | 'settlements' | 'abortedAt'>): Operation {
    const opened = { ...operation, tag: ++this.#lastTag, abortedAt: undefined, settlements: [] }
    this.operations.push(opened)
    return opened
  }

  begin(execution: Omit<Execution, 'endedAt'>): Execution {
    const begun = { ...execution, endedAt: undefined }
    this.executions.push(begun)
    const running = this.running.get(execution.by.incarnation) ?? { now: 0, most: 0 }
    running.now++
    running.most = Math.max(running.most, running.now)
    this.running.set(execution.by.incarnation, running)
    return begun
  }

  end(execution: Execution, at: number): void {
    execution.endedAt = at
    const running = this.running.get(execution.by.incarnation)
    if (running) running.now--
  }
}
