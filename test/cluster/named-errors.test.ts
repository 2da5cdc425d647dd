import {
  CallTimeoutError,
  type ClusterOptions,
  type ExitEvent,
  MailboxFullError,
  PayloadError,
  type PrimaryCluster,
  RemoteError,
  WorkerGoneError,
} from 'troupe'
import { afterEach, describe, expect, test } from 'vitest'
import { type Class, rejection } from '../support/outcome.js'
import { endAll, fixture, sendSignal, startCluster } from '../support/processes.js'
import type { Contract } from './fixtures/live-worker.js'

/*
 * What can become of a call, and the error that each case ends in (section 3 of the design): the class and code, whether
 * the call was sent, and what is known of it. What is not known is told as unknown.
 */

afterEach(endAll)

type Cluster = PrimaryCluster<Contract>

interface Case {
  readonly what: string
  readonly options?: ClusterOptions<Contract>
  /** Makes the call that fails. */
  readonly call: (cluster: Cluster) => Promise<unknown>
  readonly error: Class<Error>
  /** Its code, `sent`, and its evidence. */
  readonly fields: { readonly code: string; readonly sent: 'no' | 'maybe' | 'yes'; readonly [field: string]: unknown }
  readonly message: RegExp
  /** Of the process, when it ends. */
  readonly exit?: Partial<ExitEvent>
}

const LONG = { timeout: 60_000 }
const NEVER_HEARD = { stage: { kind: 'unknown' }, age: undefined, lag: undefined }
/** Silent for so long, a worker is killed. */
const HARD_LIMIT = { timeouts: { heartbeat: 800, blocked: 3_000 } }
const killedFor = (verdict: RegExp): Partial<ExitEvent> => ({
  code: null,
  signal: 'SIGKILL',
  intended: false,
  outOfMemory: 'no',
  verdict: expect.stringMatching(verdict),
})
const freeze = ({ workers }: Cluster) => sendSignal(workers.get(1)!.pid, 'SIGSTOP')
const number: number = expect.any(Number)

const cases: readonly Case[] = [
  {
    what: 'blocked: the deadline passes',
    call: (cluster) => cluster.call(1, 'spin', [1_500], { timeout: 500 }),
    error: CallTimeoutError,
    fields: { code: 'ERR_CALL_TIMEOUT', sent: 'maybe', timeout: 500, ...NEVER_HEARD },
    message: /spin on worker 1 gave no answer within 500 ms\. Its outcome is unknown/,
  },
  {
    what: 'blocked: past the hard limit it is killed',
    options: HARD_LIMIT,
    call: (cluster) => cluster.call(1, 'spin', [60_000], LONG),
    error: WorkerGoneError,
    fields: { code: 'ERR_WORKER_GONE', sent: 'maybe', id: 1, exitCode: null, signal: 'SIGKILL', outOfMemory: 'no' },
    message: /was killed by SIGKILL before it answered spin/,
    exit: killedFor(/^has given no sign of life for 3000 ms, running, blocked at\n(?: {4}at .+\n)*? {4}at spinHere /),
  },
  {
    what: 'frozen: the deadline passes',
    call: (cluster) => {
      freeze(cluster)
      return cluster.call(1, 'echo', ['x'], { timeout: 500 })
    },
    error: CallTimeoutError,
    fields: { code: 'ERR_CALL_TIMEOUT', sent: 'maybe', timeout: 500, ...NEVER_HEARD },
    message: /echo on worker 1 gave no answer within 500 ms\. Its outcome is unknown/,
  },
  {
    what: 'frozen: past the hard limit it is killed',
    options: HARD_LIMIT,
    call: (cluster) => {
      freeze(cluster)
      return cluster.call(1, 'echo', ['x'], LONG)
    },
    error: WorkerGoneError,
    fields: { code: 'ERR_WORKER_GONE', sent: 'maybe', id: 1, exitCode: null, signal: 'SIGKILL', outOfMemory: 'no' },
    message: /was killed by SIGKILL before it answered echo/,
    exit: killedFor(/^has given no sign of life for 3000 ms, stopped \(no stack: it is stopped/),
  },
  {
    what: 'exiting',
    call: async (cluster) => {
      await cluster.call(1, 'say', ['the last words'])
      return cluster.call(1, 'exit', [7], LONG)
    },
    error: WorkerGoneError,
    fields: {
      code: 'ERR_WORKER_GONE',
      sent: 'maybe',
      id: 1,
      exitCode: 7,
      signal: null,
      outOfMemory: 'no',
      output: 'the last words',
    },
    message: /exited with code 7 before it answered exit/,
    exit: { code: 7, signal: null, intended: false, outOfMemory: 'no', output: 'the last words\n' },
  },
  {
    what: 'out of memory',
    options: { execArgv: ['--max-old-space-size=40'] },
    call: (cluster) => cluster.call(1, 'fill', [], LONG),
    error: WorkerGoneError,
    fields: {
      code: 'ERR_WORKER_GONE',
      sent: 'maybe',
      id: 1,
      exitCode: null,
      signal: 'SIGABRT',
      outOfMemory: 'yes',
      output: expect.stringMatching(/./),
    },
    message: /ran out of memory \(SIGABRT\) before it answered fill/,
    exit: { outOfMemory: 'yes', output: expect.stringContaining('heap out of memory') },
  },
  {
    what: 'never answering',
    call: (cluster) => cluster.call(1, 'hang', [], { timeout: 700 }),
    error: CallTimeoutError,
    fields: { code: 'ERR_CALL_TIMEOUT', sent: 'yes', stage: { kind: 'running', ms: number }, age: number, lag: number },
    message: /\d+ ms before that it had been running for \d+ ms/,
  },
  {
    what: 'queue full',
    options: { limits: { mailbox: 2 } },
    call: async (cluster) => {
      for (let count = 0; count < 2; count++) void cluster.call(1, 'hang', [], LONG).catch(() => {})
      return cluster.call(1, 'echo', ['x'], LONG)
    },
    error: MailboxFullError,
    fields: { code: 'ERR_MAILBOX_FULL', sent: 'no', retryable: true, limit: 2 },
    message: /the mailbox holds 2 messages, its limit/,
  },
  {
    what: 'an unserialisable reply',
    call: (cluster) => cluster.call(1, 'unserialisable', [], LONG),
    error: PayloadError,
    fields: { code: 'ERR_PAYLOAD', sent: 'yes', path: 'result.rows[0].run', reason: expect.stringMatching(/function/) },
    message: /result\.rows\[0\]\.run .*\(unserialisable on worker 1\)/,
  },
  {
    what: 'a throwing getter in the reply',
    call: (cluster) => cluster.call(1, 'throwingGetter', [], LONG),
    error: PayloadError,
    fields: {
      code: 'ERR_PAYLOAD',
      sent: 'yes',
      path: 'result.rows[1]',
      reason: 'has a getter "total" that throws (not to be read)',
    },
    message: /result\.rows\[1\] has a getter .*\(throwingGetter on worker 1\)/,
  },
  {
    what: 'a throwing getter in the error',
    call: (cluster) => cluster.call(1, 'throwUnreadable', [], LONG),
    error: RemoteError,
    fields: {
      code: 'ERR_REMOTE',
      sent: 'yes',
      // Node cannot write its stack either: that begins with the message.
      remote: { name: 'RangeError', message: 'a value that cannot be printed' },
    },
    message: /throwUnreadable on worker 1 threw RangeError/,
  },
]

describe('a call to a worker that is, or whose answer is', () => {
  test.each(cases)('$what', async ({ call, options, error: ErrorClass, fields, message, exit }) => {
    const cluster = await startCluster<Contract>({
      exec: fixture('live-worker'),
      workers: 1,
      logger: { warn: () => {}, error: () => {} },
      ...options,
    })
    const ended = new Promise<ExitEvent>((resolve) => cluster.on('exit', resolve))
    const { pid, incarnation } = cluster.workers.get(1)!
    const error = await rejection(ErrorClass, call(cluster))
    expect(error).toMatchObject({ name: ErrorClass.name, target: 1, ...fields })
    expect(error.message).toMatch(message)
    if (!exit) return
    expect(error).toMatchObject({ pid, incarnation })
    expect(await ended).toMatchObject({ id: 1, pid, incarnation, ...exit })
  })
})
