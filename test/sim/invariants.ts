import type { TroupeError } from '../../src/protocol/errors.js'
import type { PublishReceipt } from '../../src/runtime/messaging/messenger.js'
import type { Processes } from '../../src/testing/hooks.js'
import { type Evidence, nameOf } from './evidence.js'
import { judgeMissed, judgeReceipt } from './judge-channels.js'
import { judgeKeys } from './judge-keys.js'
import { judgeFailure, judgeSent, judgeValue } from './judge-outcome.js'
import { judgeStream } from './judge-streams.js'
import type { Execution, Ledger, Operation, Who } from './ledger.js'
import { firstTimeToAct, isDead, STEP } from './stalls.js'
import type { Violation } from './violation.js'

// The judgement of a run that is over, from what its ledger says.

/** Methods that may start later than they arrive, or be sent again. */
const UNORDERED = ['serial', 'charge']

/** What only a mistake in a program can come to, and the workload makes none. */
const NEVER = ['ERR_NO_SUCH_METHOD', 'ERR_METHOD_KIND', 'ERR_PAYLOAD', 'ERR_VALIDATION', 'ERR_USAGE']

/** Everything that must hold for what has been written down. */
export function judge(ledger: Ledger, processes: Processes): readonly Violation[] {
  const violations: Violation[] = []
  const ran = new Map<number, Execution[]>()
  for (const execution of ledger.executions) ran.set(execution.tag, [...(ran.get(execution.tag) ?? []), execution])
  const evidence: Evidence = {
    ledger,
    processes,
    ran,
    note: (invariant, what) => void violations.push({ invariant, what }),
  }
  for (const operation of ledger.operations) judgeOperation(operation, evidence)
  judgeKeys(evidence)
  judgeMissed(evidence)
  judgeOrder(evidence)
  judgeTurns(evidence)
  return violations
}

function judgeOperation(operation: Operation, evidence: Evidence): void {
  judgeSettling(operation, evidence)
  judgeRunning(operation, evidence)
  const [settlement] = operation.settlements
  if (operation.kind === 'stream') judgeStream(operation, settlement, evidence)
  if (!settlement) return
  const { at, value, error } = settlement
  const { code } = (error ?? {}) as { code?: string }
  const isExpected = code === 'ERR_PAYLOAD' && isOversized(operation, evidence)
  if (code && NEVER.includes(code) && !isExpected)
    evidence.note('truth', `${nameOf(operation)} failed with ${code}: ${(error as Error).message}`)
  if (operation.kind === 'call' && error === undefined) judgeValue(operation, value, evidence)
  if ((operation.kind === 'call' || operation.kind === 'stream') && error !== undefined)
    judgeFailure(operation, { at, error }, evidence)
  if (operation.kind === 'cast' && error !== undefined) judgeSent(operation, at, error as TroupeError, evidence)
  if (operation.kind === 'publish' && value !== undefined)
    judgeReceipt(operation, { at, receipt: value as PublishReceipt }, evidence)
}

/** It, or another one with its key, whose answer it got. */
function isOversized({ oversized, key, method }: Operation, { ledger }: Evidence): boolean {
  if (oversized !== undefined || key === undefined) return oversized !== undefined
  return ledger.operations.some((other) => other.key === key && other.method === method && other.oversized)
}

function judgeSettling(operation: Operation, { processes, note }: Evidence): void {
  const { settlements, deadline, from } = operation
  if (settlements.length !== 1 && !isDead(from, processes))
    note('settles once', `${nameOf(operation)} settled ${settlements.length} times`)
  const latest = firstTimeToAct(deadline, from, processes)
  for (const { at } of settlements)
    if (at > latest + STEP)
      note('in time', `${nameOf(operation)} settled ${(at - latest).toFixed(1)} ms after its deadline`)
}

function judgeRunning(operation: Operation, { ran, note }: Evidence): void {
  const executions = ran.get(operation.tag) ?? []
  const perProcess = new Map<Who, number>()
  for (const { by } of executions) perProcess.set(by.incarnation, (perProcess.get(by.incarnation) ?? 0) + 1)
  for (const [who, times] of perProcess)
    if (times > 1) note('runs once', `${nameOf(operation)} ran ${times} times in incarnation ${who}`)
  const most = operation.method === 'charge' ? 2 : 1
  const inAll = operation.kind === 'callAll' ? mostPerId(executions) : executions.length
  if (inAll > most) note('runs once', `${nameOf(operation)} ran ${inAll} times in all`)
  for (const { caller } of executions)
    if (caller && caller.incarnation !== operation.from)
      note('truth', `${nameOf(operation)} was said to come from ${caller.id}/${caller.incarnation}`)
}

/** Per sender and receiver: what is sent first starts first. Tags are in the order of sending. */
function judgeOrder({ ledger, note }: Evidence): void {
  const operations = new Map(ledger.operations.map((operation) => [operation.tag, operation]))
  const last = new Map<string, number>()
  const see = (kind: string, tag: number, receiver: Who): void => {
    const operation = operations.get(tag)
    // Who gets a call to any is decided on its way; one with a key may have waited for another.
    if (!operation || operation.to === 'any' || operation.key !== undefined || UNORDERED.includes(operation.method))
      return
    const pair = `${kind} ${operation.from} > ${receiver}`
    const before = last.get(pair) ?? 0
    if (tag < before) note('order', `${nameOf(operation)} came to ${receiver} after ${before}`)
    last.set(pair, Math.max(tag, before))
  }
  for (const { tag, by } of ledger.executions) see('call', tag, by.incarnation)
  for (const { tag, by } of ledger.hearings) see('message', tag, by.incarnation)
}

/** A method of `concurrency: 1` runs once at a time in each process. */
function judgeTurns({ ledger, note }: Evidence): void {
  const last = new Map<Who, Execution>()
  for (const execution of ledger.executions) {
    if (execution.method !== 'serial') continue
    const { tag, by, startedAt } = execution
    const before = last.get(by.incarnation)
    if (before && (before.endedAt ?? Number.POSITIVE_INFINITY) > startedAt)
      note('bounded', `serial ${tag} began in ${by.incarnation} while ${before.tag} ran`)
    last.set(by.incarnation, execution)
  }
}

function mostPerId(executions: readonly Execution[]): number {
  const perId = new Map<number, number>()
  for (const { by } of executions) perId.set(by.id, (perId.get(by.id) ?? 0) + 1)
  return Math.max(0, ...perId.values())
}
