import { type CallDetails, TroupeError } from './troupe-error.js'
import { callName } from './wording.js'

// Values that cannot be sent, or that a schema does not want.

export interface PayloadDetails extends CallDetails {
  /** Where in the value, as one would write it in code: `args[0].rows[3].run`. */
  readonly path: string
  readonly reason: string
}

export class PayloadError extends TroupeError {
  readonly code = 'ERR_PAYLOAD'
  readonly path: string
  /** What is wrong with the value there, without the call's name. */
  readonly reason: string
  constructor(details: PayloadDetails) {
    const call = details.method === undefined ? '' : ` (${callName(details)})`
    super(`${details.path} ${details.reason}${call}`, details)
    this.path = details.path
    this.reason = details.reason
  }
}

export interface ValidationDetails extends CallDetails {
  /** What was validated: "the arguments of charge", "a value for channel cache.invalidated". */
  readonly subject: string
  /** The first of them. */
  readonly issues: readonly { readonly message: string; readonly path: readonly string[] }[]
  /** How many more there were. */
  readonly omitted?: number
}

export class ValidationError extends TroupeError {
  readonly code = 'ERR_VALIDATION'
  readonly issues: ValidationDetails['issues']
  constructor(details: ValidationDetails) {
    const lines = details.issues.map((issue) =>
      issue.path.length ? `${issue.path.join('.')}: ${issue.message}` : issue.message,
    )
    if (details.omitted) lines.push(`and ${details.omitted} more`)
    super(`The schema refused ${details.subject}: ${lines.join('; ')}`, details)
    this.issues = details.issues
  }
}
