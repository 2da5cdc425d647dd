import { inspect } from 'node:util'

/** Where the library says what no caller can be told: a subscriber that threw, a frame that was malformed. */
export interface Logger {
  warn(message: string, error?: unknown): void
  error(message: string, error?: unknown): void
}

/** Warnings and errors to stderr. Nothing is ever written to stdout. */
export const stderrLogger: Logger = {
  warn: (message, error) => write('warning', message, error),
  error: (message, error) => write('error', message, error),
}

function write(level: string, message: string, error: unknown): void {
  const text = `troupe ${level}: ${message}`
  process.stderr.write(`${error === undefined ? text : `${text}: ${inspect(error)}`}\n`)
}
