import { ValidationError } from './errors.js'
import { isThenable } from './thenable.js'
import { cut } from './thrown.js'

/** Issues that an error carries: whoever sent a long list of wrong things need not read of each. */
const MAX_ISSUES = 32
const MAX_MESSAGE = 1_000
const MAX_STEPS = 32
const MAX_STEP = 100

/**
 * The part of Standard Schema (https://standardschema.dev, version 1) that is used here. Written out instead of
 * imported, so that our declarations compile in a project that does not have the specification's package.
 */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** Validates, and gives the schema's output; awaits a schema that needs to. */
export async function validate<T>(schema: StandardSchema<T>, value: unknown, subject: string): Promise<T> {
  return accept(await schema['~standard'].validate(value), subject)
}

/** The same where waiting would break the order of messages: an asynchronous schema is refused. */
export function validateNow<T>(schema: StandardSchema<T>, value: unknown, subject: string): T {
  const result = schema['~standard'].validate(value)
  if (isThenable(result)) {
    result.then(undefined, () => {})
    throw new ValidationError({
      subject,
      issues: [{ message: 'the schema is asynchronous; a channel needs one that answers at once', path: [] }],
    })
  }
  return accept(result, subject)
}

function accept<T>(result: SchemaResult<T>, subject: string): T {
  if (!result.issues) return result.value
  const { issues } = result
  const omitted = issues.length - MAX_ISSUES
  throw new ValidationError({
    subject,
    issues: issues.slice(0, MAX_ISSUES).map(({ message, path = [] }) => ({
      message: cut(String(message), MAX_MESSAGE),
      path: path.slice(0, MAX_STEPS).map((step) => cut(String(typeof step === 'object' ? step.key : step), MAX_STEP)),
    })),
    ...(omitted > 0 && { omitted }),
  })
}
