import type { SchemaResult, StandardSchema } from '../../src/protocol/schema.js'

function check(value: unknown): SchemaResult<number> {
  const number = Number(value)
  if (!Number.isNaN(number)) return { value: number }
  return { issues: [{ message: 'is no number', path: ['rows', { key: 0 }, Symbol('size')] }] }
}

/** Makes a number of what can be one. */
export const numberSchema: StandardSchema<number> = {
  '~standard': { version: 1, vendor: 'test', validate: check },
}

/** The same, a moment later. */
export const slowSchema: StandardSchema<number> = {
  '~standard': { version: 1, vendor: 'test', validate: async (value) => check(value) },
}
