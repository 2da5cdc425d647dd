import { describeTarget } from '../address.js'
import type { Incarnation, WorkerId } from '../ids.js'
import { type CallDetails, type CallEvidence, type CallStage, TroupeError } from './troupe-error.js'
import { callName, capitalise, describeEvidence, sentHint } from './wording.js'

// Calls that have no answer: their time was over, their worker ended, or their caller gave them up. What is known of them is
// told as far as it is known.

export interface CallTimeoutDetails extends CallDetails, CallEvidence {
  readonly timeout: number
  /** Of a stream: what took so long, and how many items had arrived. */
  readonly stream?: StreamTimeout | undefined
}

export interface StreamTimeout {
  /** `item`: none came. `idle`: nobody asked for one. `total`: it did not end. */
  readonly rule: 'item' | 'idle' | 'total'
  readonly items: number
}

export class CallTimeoutError extends TroupeError {
  readonly code = 'ERR_CALL_TIMEOUT'
  readonly timeout: number
  readonly stage: CallStage
  /** How old that knowledge is, ms. */
  readonly age: number | undefined
  /** How late the event loop of its process was then, ms. */
  readonly lag: number | undefined
  /** Of a stream: what took so long, and how many items had arrived. */
  readonly stream: StreamTimeout | undefined
  constructor(details: CallTimeoutDetails) {
    super(
      details.stream
        ? streamTimeoutMessage(details, details.stream)
        : `${callName(details)} gave no answer within ${Math.round(details.timeout)} ms. Its outcome is unknown: ` +
            `${describeEvidence(details) || 'it may still be running, or its answer may be lost'}. ` +
            'Raise `timeout`, or make the method idempotent and call again',
      details,
    )
    this.timeout = details.timeout
    this.stage = details.stage
    this.age = details.age
    this.lag = details.lag
    this.stream = details.stream
  }
}

function streamTimeoutMessage(details: CallTimeoutDetails, { rule, items }: StreamTimeout): string {
  const name = callName(details)
  const ms = `${Math.round(details.timeout)} ms`
  const arrived = `${items} ${items === 1 ? 'item' : 'items'} had arrived`
  switch (rule) {
    case 'idle':
      return (
        `${name} was ended because nobody took an item from it for ${ms} (${arrived}): it would have kept its worker busy ` +
        'for ever. Leave a stream that you do not read to its end, or raise `idle`'
      )
    case 'total':
      return `${name} did not end within ${ms} (${arrived})`
    case 'item': {
      const evidence = describeEvidence(details)
      return (
        `${name} sent no item for ${ms} (${arrived}). ${evidence ? `${capitalise(evidence)}. ` : ''}` +
        'Raise `timeout` if it may be quiet for longer'
      )
    }
  }
}

/** Did a process end for want of memory? `unknown`: by the kernel, perhaps; its SIGKILL looks like anybody's. */
export type OutOfMemory = 'yes' | 'no' | 'unknown'

export interface WorkerGoneDetails extends CallDetails, Partial<CallEvidence> {
  /** It is not dead yet: it was asked to drain, and this long after that it had not ended what it ran, ms. */
  readonly drained?: number | undefined
  readonly id: WorkerId
  readonly incarnation: Incarnation
  readonly pid?: number | undefined
  readonly exitCode?: number | null | undefined
  readonly signal?: string | null | undefined
  readonly outOfMemory?: OutOfMemory | undefined
  readonly output?: string | undefined
}

export class WorkerGoneError extends TroupeError {
  readonly code = 'ERR_WORKER_GONE'
  readonly id: WorkerId
  readonly incarnation: Incarnation
  readonly pid: number | undefined
  readonly exitCode: number | null
  readonly signal: string | null
  readonly outOfMemory: OutOfMemory
  /** The last lines that it wrote to stderr, as far as they had arrived; empty when its stderr is not piped to the primary. */
  readonly output: string
  readonly stage: CallStage
  /** How old that knowledge is, ms. */
  readonly age: number | undefined
  constructor(details: WorkerGoneDetails) {
    const evidence = describeEvidence(details)
    super(
      `${describeTarget(details.id)} (incarnation ${details.incarnation}${details.pid ? `, pid ${details.pid}` : ''}) ` +
        (details.drained === undefined
          ? `${describeExit(details.exitCode, details.signal, details.outOfMemory)} before it answered `
          : `is being replaced or stopped, and its ${Math.round(details.drained)} ms to finish were over before it had ended `) +
        `${details.method ?? 'this message'}. ` +
        `${evidence ? `${capitalise(evidence)}. ` : ''}${sentHint(details.sent)}`,
      details,
      { retryable: details.sent === 'no' },
    )
    this.id = details.id
    this.incarnation = details.incarnation
    this.pid = details.pid
    this.exitCode = details.exitCode ?? null
    this.signal = details.signal ?? null
    this.outOfMemory = details.outOfMemory ?? 'unknown'
    this.output = details.output ?? ''
    this.stage = details.stage ?? { kind: 'unknown' }
    this.age = details.age
  }
}

export function describeExit(
  code: number | null | undefined,
  signal: string | null | undefined,
  outOfMemory?: OutOfMemory,
): string {
  if (outOfMemory === 'yes') return `ran out of memory (${signal ?? `code ${code}`})`
  if (signal) return `was killed by ${signal}`
  return code === null || code === undefined ? 'closed its channel' : `exited with code ${code}`
}

export class CallAbortedError extends TroupeError {
  readonly code = 'ERR_CALL_ABORTED'
  constructor(details: CallDetails, options: ErrorOptions = {}) {
    super(`${callName(details)} was aborted by its caller`, details, options)
  }

  /** The platform's name for it, so that `error.name === 'AbortError'` works here as it does with fetch. */
  override get name(): string {
    return 'AbortError'
  }
}
