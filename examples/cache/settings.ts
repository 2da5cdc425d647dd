import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What can be set from outside. Read by the primary, and by each worker for itself. */
export interface Settings {
  host: string
  /** 0 takes a free one. */
  port: number
  /** Undefined: one per core. */
  workers: number | undefined
  /** The file of the database. */
  database: string
  /** False breaks the program on purpose: workers keep what they have cached. Its tests show that they would notice. */
  invalidation: boolean
}

export function readSettings({ HOST, PORT, WORKERS, DATABASE, INVALIDATION }: NodeJS.ProcessEnv): Settings {
  return {
    host: HOST || '127.0.0.1',
    port: PORT ? wholeNumber('PORT', PORT, 0, 65_535) : 3000,
    workers: WORKERS ? wholeNumber('WORKERS', WORKERS, 1, 256) : undefined,
    database: DATABASE || join(tmpdir(), 'troupe-example-cache.db'),
    invalidation: INVALIDATION !== 'off',
  }
}

function wholeNumber(name: string, value: string, from: number, to: number): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= from && number <= to) return number
  throw new TypeError(`Expected ${name} to be a whole number from ${from} to ${to}, got ${JSON.stringify(value)}`)
}
