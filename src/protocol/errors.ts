/*
 * The catalogue: every error that the library raises on purpose.
 *
 * A class is built from its details and writes its own message from them, so that it can be sent as `{ code, details }`
 * and rebuilt on the other side with the caller's stack (`error-record.ts`). All details are plain JSON.
 */
export * from './errors/lost-calls.js'
export * from './errors/refusals.js'
export * from './errors/remote.js'
export * from './errors/starts.js'
export * from './errors/troupe-error.js'
export * from './errors/values.js'
