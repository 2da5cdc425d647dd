import { isThenable } from '../protocol/thenable.js'
import { expectBoolean, expectKnown, expectNumber, expectObject, unexpected } from '../runtime/expect.js'
import { MAX_DELAY } from '../runtime/timer-queue.js'
import { type FaultPlan, KINDS } from './faults.js'
import type { StartPlan } from './simulated-worker.js'

/** What a test may ask of a simulation: a fault that is misspelt would never come, and its test would pass. */

const SHARES = ['dropTail', 'slowStart', 'bootFailure', 'earlyCrash'] as const
const FAULTS = ['every', ...KINDS, ...SHARES] as const satisfies readonly (keyof FaultPlan)[]

export function expectFaults(plan: unknown, name: string): FaultPlan {
  const faults = expectObject(plan, name)
  expectKnown(faults, FAULTS, `${name}.`)
  if (faults.every !== undefined) expectNumber(faults.every, `${name}.every`, 1, MAX_DELAY)
  for (const kind of KINDS)
    if (faults[kind] !== undefined) expectNumber(faults[kind], `${name}.${kind}`, 0, Number.MAX_VALUE)
  for (const share of SHARES) if (faults[share] !== undefined) expectNumber(faults[share], `${name}.${share}`, 0, 1)
  return faults
}

export function expectStart(plan: unknown): StartPlan {
  const start = expectObject(plan, 'plan')
  expectKnown(start, ['delay', 'fail', 'crashAfter'] satisfies (keyof StartPlan)[], 'plan.')
  for (const time of ['delay', 'crashAfter'] as const)
    if (start[time] !== undefined) expectTime(start[time], `plan.${time}`)
  if (start.fail !== undefined) expectBoolean(start.fail, 'plan.fail')
  return start
}

export function expectSeed(seed: unknown): number {
  if (typeof seed === 'number' && Number.isSafeInteger(seed)) return seed
  throw unexpected('seed', 'a whole number', seed)
}

/** Milliseconds, fractions of them too, of virtual time: there is no timer that could not hold them. */
export function expectTime(ms: unknown, name: string): number {
  return expectNumber(ms, name, 0, Number.MAX_SAFE_INTEGER)
}

export function expectPromise(promise: unknown): void {
  if (!isThenable(promise)) throw unexpected('promise', 'a promise', promise)
}

/** A worker that does not exist is none that could be hit; a name that is no id is a mistake. */
export function expectWorkerId(id: unknown): void {
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 1) throw unexpected('id', 'the id of a worker', id)
}
