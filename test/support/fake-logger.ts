import type { Logger } from '../../src/runtime/logger.js'

/** Remembers what was logged, as "warning: …" and "error: …". */
export class FakeLogger implements Logger {
  readonly lines: string[] = []

  warn(message: string, error?: unknown): void {
    this.#add('warning', message, error)
  }

  error(message: string, error?: unknown): void {
    this.#add('error', message, error)
  }

  #add(level: string, message: string, error: unknown): void {
    this.lines.push(`${level}: ${message}${error instanceof Error ? `: ${error.message}` : ''}`)
  }
}
