/** How a request ended: each ends in exactly one of these. Times are of `performance.now()`. */
export type Outcome = Answer | Failure

export interface Answer {
  readonly kind: 'answered'
  readonly status: number
  /** The process that answered. */
  readonly pid: number
  /** The server ends the connection with it. */
  readonly closes: boolean
  /** What it gives the client to bring along. */
  readonly cookie: string | undefined
  readonly body: string
}

export interface Failure {
  /** `hung`: nothing was heard of it for as long as the client was ready to wait. */
  readonly kind: 'failed' | 'hung'
  readonly why: string
  /** The client's own end of the connection; undefined when there never was one. */
  readonly port: number | undefined
  /** When the connection was asked for, and when the client knew that there would be no answer. */
  readonly opened: number
  readonly ended: number
}

/** The exact account of what clients have asked for. */
export class Ledger {
  begun = 0
  answered = 0
  readonly failures: Failure[] = []
  readonly hung: Failure[] = []
  /** Answers by the process that gave them. */
  readonly byPid = new Map<number, number>()

  /** Keeps the books for one request, whatever becomes of it. An answer that is no success is a failure. */
  async enter(request: Promise<Outcome>): Promise<Outcome> {
    this.begun += 1
    const outcome = await request
    if (outcome.kind !== 'answered') (outcome.kind === 'hung' ? this.hung : this.failures).push(outcome)
    else if (outcome.status >= 400) {
      const why = `status ${outcome.status}`
      this.failures.push({ kind: 'failed', why, port: undefined, opened: 0, ended: performance.now() })
    } else {
      this.answered += 1
      this.byPid.set(outcome.pid, (this.byPid.get(outcome.pid) ?? 0) + 1)
    }
    return outcome
  }

  /** Requests of which nobody knows how they ended: none, once all clients are done. */
  get open(): number {
    return this.begun - this.answered - this.failures.length - this.hung.length
  }
}

/** How many there are of each reason. */
export function reasons(failures: readonly Failure[]): string {
  const counts = new Map<string, number>()
  for (const { why } of failures) counts.set(why, (counts.get(why) ?? 0) + 1)
  return [...counts].map(([why, count]) => `${count} × ${why}`).join(', ') || 'none'
}
