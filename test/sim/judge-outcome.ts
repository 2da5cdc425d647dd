import { TroupeError, type WorkerGoneError } from '../../src/protocol/errors.js'
import { type Evidence, EXIT, nameOf, WAY } from './evidence.js'
import type { Execution, Operation } from './ledger.js'
import { diedAt, disturbed, isDead, STEP } from './stalls.js'

// What an answer or an error says of a call, or of a stream, is so.

export function judgeValue(operation: Operation, value: unknown, { ran, note }: Evidence): void {
  const { tag, incarnation } = (value ?? {}) as { tag?: number; incarnation?: number }
  const answer = (ran.get(tag ?? 0) ?? []).find(({ by }) => by.incarnation === incarnation)
  if (answer?.endedAt === undefined)
    return note('truth', `${nameOf(operation)} got a value that no method has returned: ${JSON.stringify(value)}`)
  // Of another call with the same key, if it has one.
  const isItsOwn = tag === operation.tag || (operation.key !== undefined && answer.key === operation.key)
  if (!isItsOwn || answer.method !== operation.method)
    note('truth', `${nameOf(operation)} got the value of ${answer.method} ${tag} in incarnation ${incarnation}`)
  if (operation.to !== 'any' && answer.by.id !== (operation.to === 'primary' ? 0 : operation.to))
    note('truth', `${nameOf(operation)} was answered by ${answer.by.id}`)
}

export function judgeFailure(
  operation: Operation,
  { at, error }: { readonly at: number; readonly error: unknown },
  evidence: Evidence,
): void {
  const { note } = evidence
  if (!(error instanceof TroupeError)) return note('truth', `${nameOf(operation)} failed with ${String(error)}`)
  judgeSent(operation, at, error, evidence)
  switch (error.code) {
    case 'ERR_WORKER_GONE':
      return judgeDeath(operation, error as WorkerGoneError, at, evidence)
    case 'ERR_CALL_ABORTED':
      if (operation.abortedAt === undefined) note('truth', `${nameOf(operation)} was aborted by nobody`)
      return
    case 'ERR_CALL_TIMEOUT':
      if (operation.kind === 'call' && at < operation.deadline - STEP)
        note('truth', `${nameOf(operation)} timed out ${operation.deadline - at} ms before its deadline`)
      return judgeAnswer(operation, at, evidence)
    case 'ERR_REMOTE':
      if (executionsFor(operation, evidence).length === 0)
        note('truth', `${nameOf(operation)} failed with what a method threw, and none ran`)
  }
}

/** What is said not to have arrived has not run, and what is said to have run has. */
export function judgeSent(operation: Operation, at: number, { code, sent }: TroupeError, evidence: Evidence): void {
  const { ran, note } = evidence
  // What it was told of a call that waits is as old as its way here.
  const since = code === 'ERR_WORKER_UNAVAILABLE' ? at - WAY : Number.POSITIVE_INFINITY
  const own = ran.get(operation.tag) ?? []
  if (sent === 'no' && own.some(({ startedAt }) => startedAt < since))
    note('truth', `${nameOf(operation)} ran, and failed with ${code} that says sent: no`)
  if (sent === 'yes' && executionsFor(operation, evidence).length === 0)
    note('truth', `${nameOf(operation)} never ran, and failed with ${code} that says sent: yes`)
}

/** It timed out: had its answer been given long before, or its worker been dead, in a quiet time? */
function judgeAnswer(operation: Operation, at: number, { ran, processes, note }: Evidence): void {
  // Whoever reads a stream waits from when he asks for the next item.
  const asked = operation.reading?.asks.at(-1)?.at ?? operation.sentAt
  const executions = ran.get(operation.tag) ?? []
  for (const { by, endedAt = Number.POSITIVE_INFINITY } of executions) {
    const death = diedAt(by.incarnation, processes)
    const quiet = (from: number): boolean =>
      !disturbed([0, operation.from, by.incarnation], [from, at], processes) && !isDead(operation.from, processes, at)
    const answered = Math.max(endedAt, asked)
    if (death > at && at - answered > WAY && quiet(answered))
      note('answers', `${nameOf(operation)} timed out, ${(at - answered).toFixed(0)} ms after ${by.id} had answered`)
    // An idempotent one is sent to the next, which may take its time.
    const gone = Math.max(death, asked)
    if (operation.method !== 'charge' && at - gone > WAY + EXIT && quiet(gone))
      note('answers', `${nameOf(operation)} timed out, ${(at - gone).toFixed(0)} ms after its worker had died`)
  }
  // What cannot be written is refused where it is sent.
  if (operation.oversized === 'question' && operation.from !== 0) {
    const quiet = !disturbed([0, operation.from], [operation.sentAt, at], processes)
    if (quiet && at - operation.sentAt > WAY) note('answers', `${nameOf(operation)} could not be sent, and timed out`)
  }
}

function judgeDeath(operation: Operation, error: WorkerGoneError, at: number, { processes, note }: Evidence): void {
  const worker = processes.workers[error.incarnation - 1]
  // A stream is cut when its worker's time to drain is over.
  if (error.message.includes('is being replaced or stopped')) {
    if (operation.kind !== 'stream') note('truth', `${nameOf(operation)} was cut, and is no stream`)
    return
  }
  if (!worker?.exited || worker.diedAt > at)
    return note('truth', `${nameOf(operation)} failed for the death of ${error.incarnation}, which lived`)
  if (worker.exited.code !== error.exitCode || worker.exited.signal !== error.signal)
    note('truth', `${nameOf(operation)} says that ${worker.name} ended with ${error.exitCode ?? error.signal}`)
}

/** Of a call with a key: also those that ran for another with the same key. */
function executionsFor({ tag, key, method }: Operation, { ran, ledger }: Evidence): readonly Execution[] {
  const own = ran.get(tag) ?? []
  if (key === undefined || own.length > 0) return own
  return ledger.executions.filter((execution) => execution.key === key && execution.method === method)
}
