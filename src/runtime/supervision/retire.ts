import type { Clock } from '../clock.js'
import type { Timeouts } from '../limits.js'
import { within } from '../within.js'
import type { RetireReport } from './events.js'
import type { Incarnation } from './incarnation.js'

/** The messaging's part in an orderly end, which the root lends to the supervisor. */
export interface CallDrain {
  /** From now on nothing new is taken: by that incarnation, or, without one, by any. */
  close(incarnation?: number): void
  /** Resolves when no call is on its way to that incarnation, or, without one, to any. */
  idle(incarnation?: number): Promise<void>
}

export interface RetireOptions {
  readonly mode: 'stop' | 'reload'
  /** The whole cluster ends, so that no call is taken any more once connections are drained. */
  readonly closing: boolean
  readonly clock: Clock
  readonly timeouts: Timeouts
  readonly calls: CallDrain
}

/**
 * Ends processes in two phases. Connections drain first, in all of them, while calls are still served, because a request in
 * one worker may need another; then calls; then SIGTERM, then SIGKILL. Each phase has a deadline, so that this ends.
 */
export async function retire(group: readonly Incarnation[], options: RetireOptions): Promise<RetireReport> {
  const { clock, timeouts, calls, mode, closing } = options
  for (const incarnation of group) incarnation.intended = true

  const connectionsBy = clock.now() + timeouts.drain
  const cut = await Promise.all(group.map((incarnation) => drainConnections(incarnation, mode, connectionsBy, clock)))

  const callsBy = clock.now() + timeouts.drain
  if (closing) {
    calls.close()
    await within(clock, callsBy - clock.now(), calls.idle())
  }
  await Promise.all(group.map((incarnation) => drainCalls(incarnation, callsBy, options)))

  const killed = await Promise.all(group.map((incarnation) => end(incarnation, clock, timeouts.kill)))
  return { cut: sum(cut), killed: killed.filter(Boolean).length }
}

async function drainConnections(
  incarnation: Incarnation,
  mode: 'stop' | 'reload',
  deadline: number,
  clock: Clock,
): Promise<number> {
  if (!incarnation.greeted || !incarnation.alive) return 0
  incarnation.link?.send({ kind: 'drain', mode, deadline })
  const answer = await within(
    clock,
    deadline - clock.now() + ANSWER_GRACE,
    Promise.race([incarnation.drained.promise, gone(incarnation)]),
  )
  return answer?.cut ?? 0
}

async function drainCalls(
  incarnation: Incarnation,
  deadline: number,
  { clock, calls, closing }: RetireOptions,
): Promise<void> {
  if (!incarnation.greeted || !incarnation.alive) return
  if (!closing) calls.close(incarnation.ref.incarnation)
  await within(
    clock,
    deadline - clock.now(),
    Promise.race([calls.idle(incarnation.ref.incarnation), gone(incarnation)]),
  )
  incarnation.link?.send({ kind: 'release', deadline })
  await within(
    clock,
    deadline - clock.now() + ANSWER_GRACE,
    Promise.race([incarnation.released.promise, gone(incarnation)]),
  )
}

/** True when it took a SIGKILL. */
async function end(incarnation: Incarnation, clock: Clock, grace: number): Promise<boolean> {
  if (!incarnation.alive) return false
  incarnation.child?.kill('SIGTERM')
  const exit = await within(clock, grace, incarnation.exited.promise)
  if (exit) return false
  incarnation.child?.kill('SIGKILL')
  await incarnation.exited.promise
  return true
}

/** Ends processes at once. */
export async function kill(group: readonly Incarnation[]): Promise<void> {
  for (const incarnation of group) {
    incarnation.intended = true
    incarnation.child?.kill('SIGKILL')
  }
  await Promise.all(group.map((incarnation) => incarnation.exited.promise))
}

/** How long after a deadline the worker's word about it may take to arrive. */
const ANSWER_GRACE = 250

async function gone(incarnation: Incarnation): Promise<undefined> {
  await incarnation.exited.promise
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
