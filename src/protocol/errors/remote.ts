import type { ProcessRef } from '../ids.js'
import { type CallDetails, TroupeError } from './troupe-error.js'
import { callName } from './wording.js'

// What the method itself threw.

/** What was thrown on the other side, as plain data (`thrown.ts` makes it). */
export interface ThrownRecord {
  readonly name: string
  /** Under which name its class is declared (`declareError`), if it is. */
  readonly declared?: string | undefined
  readonly message: string
  readonly code?: string | number | undefined
  readonly stack?: string | undefined
  readonly cause?: ThrownRecord | undefined
  /** The error's own enumerable properties, those that are plain JSON. */
  readonly properties?: Readonly<Record<string, unknown>> | undefined
}

export interface RemoteDetails extends CallDetails {
  readonly from: ProcessRef
  readonly thrown: ThrownRecord
}

export class RemoteError extends TroupeError {
  readonly code = 'ERR_REMOTE'
  /** Which process threw. */
  readonly from: ProcessRef
  /** The thrown error: `name`, `message`, `code`, `stack`, `cause` and own properties as they were over there. */
  readonly remote: ThrownRecord
  constructor(details: RemoteDetails) {
    const { thrown } = details
    super(`${callName(details)} threw ${thrown.name}: ${thrown.message}`, { ...details, sent: 'yes' })
    this.from = details.from
    this.remote = thrown
  }
}
