import type { TroupeError } from '../../src/protocol/errors.js'
import { type Evidence, nameOf, WAY } from './evidence.js'
import type { Execution, Operation } from './ledger.js'
import { diedAt, disturbed } from './stalls.js'

// Calls of one method with one key are carried out once by each process, and all get the first answer.

export function judgeKeys(evidence: Evidence): void {
  const { ledger, note } = evidence
  const operations = new Map(ledger.operations.map((operation) => [operation.tag, operation]))
  const groups = new Map<string, Execution[]>()
  for (const execution of ledger.executions) {
    if (execution.key === undefined) continue
    const name = `${execution.method} (${execution.key}) in ${execution.by.incarnation}`
    groups.set(name, [...(groups.get(name) ?? []), execution])
  }
  for (const [name, executions] of groups) {
    // All but the last were given up: what came of them is no answer.
    for (const { tag } of executions.slice(0, -1)) {
      const operation = operations.get(tag)
      if (operation && isAnswered(operation)) note('runs once', `${name} ran again after it had answered ${tag}`)
    }
    if (executions.length > 1 && executions[0]?.method !== 'fail')
      note('runs once', `${name} ran ${executions.length} times`)
  }
  for (const operation of ledger.operations) if (operation.key !== undefined) judgeJoined(operation, groups, evidence)
}

/** One that timed out, though the one that ran with its key had ended long ago in the only process that it can mean. */
function judgeJoined(
  operation: Operation,
  groups: ReadonlyMap<string, readonly Execution[]>,
  { processes, note }: Evidence,
): void {
  const { to, method, key, from, sentAt, settlements } = operation
  const [{ at, error } = { at: 0, error: undefined }] = settlements
  if ((error as TroupeError | undefined)?.code !== 'ERR_CALL_TIMEOUT' || to === 'any') return
  const incarnations =
    to === 'primary'
      ? [0]
      : processes.workers
          .filter(({ id, startedAt, diedAt }) => id === to && startedAt < at && diedAt > sentAt)
          .map(({ incarnation }) => incarnation)
  const [only = 0] = incarnations
  if (incarnations.length !== 1 || diedAt(only, processes) < at) return
  const ended = groups.get(`${method} (${key}) in ${only}`)?.at(-1)?.endedAt ?? Number.POSITIVE_INFINITY
  const since = Math.max(ended, sentAt)
  if (at - since > WAY && !disturbed([0, from, only], [since, at], processes))
    note('answers', `${nameOf(operation)} timed out, ${(at - since).toFixed(0)} ms after ${only} had that answer`)
}

/** With what its method gave or threw. */
function isAnswered({ settlements: [settlement] }: Operation): boolean {
  if (!settlement) return false
  const { code } = (settlement.error ?? {}) as { code?: string }
  return settlement.error === undefined || code === 'ERR_REMOTE'
}
