import type { CallTimeoutDetails, TroupeError } from '../../src/protocol/errors.js'
import { type Evidence, EXIT, nameOf, WAY } from './evidence.js'
import type { Execution, Operation, Reading, Settlement } from './ledger.js'
import { diedAt, disturbed, firstTimeToAct, STEP } from './stalls.js'

// What its reader got of a stream, however it ended; and what became of its generator.

/** How long a generator of the workload goes on at most before it looks up, ms. */
const SLEEP = 50

export function judgeStream(operation: Operation, settlement: Settlement | undefined, evidence: Evidence): void {
  const { reading } = operation
  if (!reading) return
  const { note } = evidence
  const { came } = reading
  if (came.some((item, index) => item !== index)) note('order', `${nameOf(operation)} gave ${came.join(' ')}`)
  if (came.length > reading.items) note('truth', `${nameOf(operation)} gave ${came.length} of ${reading.items} items`)
  if (reading.more) note('settles once', `${nameOf(operation)} gave something after its end`)
  judgeWaits(operation, reading, evidence)
  if (settlement?.error !== undefined) judgeError(operation, reading, settlement, evidence)
  else if (reading.end === 'done') judgeEnd(operation, reading, evidence)
  for (const execution of evidence.ran.get(operation.tag) ?? []) judgeClosed(operation, settlement, execution, evidence)
}

/** An end without an error is the generator's own, and says that everything came. */
function judgeEnd(operation: Operation, { came, items, fails, returned }: Reading, { note }: Evidence): void {
  if (came.length !== items || fails)
    note('truth', `${nameOf(operation)} ended after ${came.length} of ${items} items, as if that were all`)
  else if (returned !== items) note('truth', `${nameOf(operation)} returned ${String(returned)} instead of ${items}`)
}

function judgeError(operation: Operation, reading: Reading, { at, error }: Settlement, { note }: Evidence): void {
  const { came, items, fails, asks, timeout, idle } = reading
  const { code, sent } = error as TroupeError
  if (came.length > 0 && sent !== 'yes')
    note('truth', `${nameOf(operation)} gave ${came.length} items, and failed with ${code} that says sent: ${sent}`)
  if (code === 'ERR_REMOTE' && !(fails && came.length === items))
    note('truth', `${nameOf(operation)} failed as its generator did after ${items} items, and gave ${came.length}`)
  if (code !== 'ERR_CALL_TIMEOUT') return
  const { rule } = ((error as TroupeError).details as CallTimeoutDetails).stream ?? {}
  const waited = at - (asks.at(-1)?.at ?? at)
  const left = Math.max(0, ...asks.map((ask, index) => ask.at - (asks[index - 1]?.answeredAt ?? ask.at)))
  if (rule === 'item' && waited < timeout - STEP)
    note('truth', `${nameOf(operation)} waited ${waited} ms for an item, and failed as if for ${timeout}`)
  if (rule === 'idle' && left < idle - STEP)
    note('truth', `${nameOf(operation)} was left for ${left} ms, and failed as if for ${idle}`)
  if (rule === 'total' && at < operation.deadline - STEP)
    note('truth', `${nameOf(operation)} timed out ${operation.deadline - at} ms before its deadline`)
  if (rule === undefined) note('truth', `${nameOf(operation)} timed out by no rule`)
}

/** Whoever asks for an item waits no longer than he said. */
function judgeWaits(operation: Operation, { asks, timeout }: Reading, { processes, note }: Evidence): void {
  for (const { at, answeredAt } of asks) {
    if (answeredAt === Number.POSITIVE_INFINITY) continue
    const latest = firstTimeToAct(at + timeout, operation.from, processes)
    if (answeredAt > latest + STEP)
      note('in time', `${nameOf(operation)} let its reader wait ${(answeredAt - latest).toFixed(1)} ms too long`)
  }
}

/** A generator that nobody reads any more ends: its `finally` runs, whether its reader left, failed or died. */
function judgeClosed(
  operation: Operation,
  settlement: Settlement | undefined,
  { by, endedAt = Number.POSITIVE_INFINITY }: Execution,
  { processes, note }: Evidence,
): void {
  const over = settlement?.at ?? diedAt(operation.from, processes)
  const latest = over + WAY + EXIT + SLEEP
  if (endedAt <= latest || diedAt(by.incarnation, processes) <= latest) return
  if (!disturbed([0, operation.from, by.incarnation], [over - WAY, latest], processes))
    note('quiet', `${nameOf(operation)} was over, and its generator in ${by.incarnation} went on`)
}
