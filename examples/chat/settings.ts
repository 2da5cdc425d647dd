/** What can be set from outside: PORT, HOST and WORKERS. Read by the primary, and by each worker for itself. */
export interface Settings {
  host: string
  /** 0 takes a free one. */
  port: number
  /** Undefined: one per core. */
  workers: number | undefined
}

export function readSettings({ HOST, PORT, WORKERS }: NodeJS.ProcessEnv): Settings {
  return {
    // Nobody else in the network sees the chat before somebody asks for it.
    host: HOST || '127.0.0.1',
    port: PORT ? wholeNumber('PORT', PORT, 0, 65_535) : 3000,
    workers: WORKERS ? wholeNumber('WORKERS', WORKERS, 1, 256) : undefined,
  }
}

function wholeNumber(name: string, value: string, from: number, to: number): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= from && number <= to) return number
  throw new TypeError(`Expected ${name} to be a whole number from ${from} to ${to}, got ${JSON.stringify(value)}`)
}
