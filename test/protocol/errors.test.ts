import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { fromRecord, toRecord } from '../../src/protocol/error-record.js'
import type { FailedStart } from '../../src/protocol/errors.js'
import * as errors from '../../src/protocol/errors.js'

const { TroupeError } = errors
const failed: FailedStart = {
  id: 1,
  incarnation: 3,
  pid: 9,
  exitCode: 1,
  signal: null,
  reason: 'exited with code 1',
  output: 'line 1\nline 2\n',
}
const failures = [failed]
const call = { target: 2, method: 'resize' } as const

/** One of each, with everything that it can carry. */
const catalogue = {
  UsageError: new errors.UsageError('Expected `workers` to be a positive integer, got -1'),
  CallTimeoutError: new errors.CallTimeoutError({ ...call, sent: 'maybe', timeout: 500, stage: { kind: 'unknown' } }),
  WorkerGoneError: new errors.WorkerGoneError({
    ...call,
    sent: 'maybe',
    id: 2,
    incarnation: 5,
    pid: 4711,
    exitCode: null,
    signal: 'SIGKILL',
  }),
  NoSuchWorkerError: new errors.NoSuchWorkerError({ ...call, sent: 'no', reason: 'there is no worker 2' }),
  WorkerUnavailableError: new errors.WorkerUnavailableError({ target: 'any', method: 'resize', reason: 'it starts' }),
  NoSuchMethodError: new errors.NoSuchMethodError({ ...call, known: ['a', 'b'] }),
  MailboxFullError: new errors.MailboxFullError({ ...call, limit: 1_024, queue: 'mailbox' }),
  MethodKindError: new errors.MethodKindError({ ...call, kind: 'stream' }),
  PayloadError: new errors.PayloadError({ ...call, path: 'args[0].run', reason: 'is a function' }),
  ValidationError: new errors.ValidationError({
    ...call,
    subject: 'the argument of resize',
    issues: [
      { message: 'is required', path: ['size', '0'] },
      { message: 'is wrong', path: [] },
    ],
  }),
  CallAbortedError: new errors.CallAbortedError(call, { cause: new Error('no more') }),
  CallCycleError: new errors.CallCycleError({
    ...call,
    reason: 'it would wait for itself',
    cycle: ['worker 1.a', 'worker 2.b', 'worker 1.a'],
  }),
  RemoteError: new errors.RemoteError({
    ...call,
    from: { id: 2, incarnation: 5 },
    thrown: { name: 'TypeError', message: 'no', code: 'E_NO', stack: 'TypeError: no\n    at x', properties: { a: 1 } },
  }),
  ClusterClosedError: new errors.ClusterClosedError({ target: 'primary', method: 'status' }),
  BootError: new errors.BootError({ failures }),
  ReloadError: new errors.ReloadError({ failures }),
}

/** What a caller reads of an error. */
function fieldsOf(error: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify({ ...error })) as Record<string, unknown>
}

test('the catalogue here is the whole of it', () => {
  const classes = Object.entries(errors)
    .filter(([, value]) => typeof value === 'function' && value.prototype instanceof TroupeError)
    .map(([name]) => name)
  expect(Object.keys(catalogue).sort()).toEqual(classes.sort())
})

test('every class has a code of its own', () => {
  const codes = Object.values(catalogue).map(({ code }) => code)
  expect(new Set(codes).size).toBe(codes.length)
  for (const code of codes) expect(code).toMatch(/^ERR_[A-Z_]+$/)
})

describe.each(Object.entries(catalogue))('%s', (name, error) => {
  test('comes through the wire the same: class, code, message, fields', () => {
    const back = fromRecord(JSON.parse(JSON.stringify(toRecord(error))))
    expect(back.constructor).toBe(error.constructor)
    expect(back).toBeInstanceOf(TroupeError)
    expect(back.code).toBe(error.code)
    expect(back.message).toBe(error.message)
    expect(back.name).toBe(error.name)
    expect(fieldsOf(back)).toEqual(fieldsOf(error))
    expect(JSON.parse(JSON.stringify(back.details))).toEqual(JSON.parse(JSON.stringify(error.details)))
  })

  test('has the name of its class', () => {
    expect(error.name).toBe(name === 'CallAbortedError' ? 'AbortError' : name)
  })

  test('prints no details twice', () => {
    expect(Object.keys(error)).not.toContain('details')
    expect(inspect(error)).not.toContain('details:')
  })
})

describe('messages name the method, the target and what to do', () => {
  test.each<[keyof typeof catalogue, string]>([
    [
      'CallTimeoutError',
      'resize on worker 2 gave no answer within 500 ms. Its outcome is unknown: it may still be running, or its answer ' +
        'may be lost. Raise `timeout`, or make the method idempotent and call again',
    ],
    [
      'WorkerGoneError',
      'worker 2 (incarnation 5, pid 4711) was killed by SIGKILL before it answered resize. It may have been carried out, ' +
        'wholly or in part: call again only what may happen twice',
    ],
    ['NoSuchWorkerError', 'resize on worker 2 was not sent: there is no worker 2'],
    ['WorkerUnavailableError', 'resize on any worker was not sent: it starts'],
    ['NoSuchMethodError', 'worker 2 has no method "resize". It has a, b'],
    [
      'MailboxFullError',
      'resize on worker 2 was refused: the mailbox holds 1024 messages, its limit. Call less at once, or raise `limits.mailbox`',
    ],
    ['PayloadError', 'args[0].run is a function (resize on worker 2)'],
    ['ValidationError', 'The schema refused the argument of resize: size.0: is required; is wrong'],
    ['CallAbortedError', 'resize on worker 2 was aborted by its caller'],
    [
      'CallCycleError',
      'resize on worker 2 was refused: it would wait for itself: worker 1.a -> worker 2.b -> worker 1.a',
    ],
    ['RemoteError', 'resize on worker 2 threw TypeError: no'],
    ['ClusterClosedError', 'status on the primary was refused: the cluster is stopping or has stopped'],
    [
      'BootError',
      'The workers could not be started. Worker 1 exited with code 1. Its last output:\n  line 1\n  line 2',
    ],
  ])('%s', (name, message) => {
    expect(catalogue[name].message).toBe(message)
  })

  test('a link that is full names its own limit', () => {
    const error = new errors.MailboxFullError({ ...call, limit: 16, queue: 'link' })
    expect(error.message).toContain('the link holds as much as it may')
    expect(error.message).toContain('`limits.link`')
  })

  test('a failed start that printed nothing says so', () => {
    const error = new errors.BootError({ failures: [{ ...failed, id: 2, reason: 'ended', output: ' \n' }] })
    expect(error.message).toBe('The workers could not be started. Worker 2 ended. It printed nothing on stderr.')
  })
})

test.each<[keyof typeof catalogue, 'no' | 'maybe' | 'yes']>([
  ['CallTimeoutError', 'maybe'],
  ['NoSuchWorkerError', 'no'],
  ['MailboxFullError', 'no'],
  ['RemoteError', 'yes'],
])('%s says whether it was sent: %s', (name, sent) => {
  expect(catalogue[name].sent).toBe(sent)
})

test('only what can succeed a moment later without happening twice is retryable', () => {
  const retryable = Object.entries(catalogue).filter(([, error]) => error.retryable)
  expect(retryable.map(([name]) => name)).toEqual(['WorkerUnavailableError', 'MailboxFullError'])
})

test('a worker that went before it was sent anything makes a call retryable', () => {
  const gone = new errors.WorkerGoneError({ ...call, id: 2, incarnation: 1, sent: 'no', exitCode: 0 })
  expect(gone.retryable).toBe(true)
  expect(gone.message).toBe(
    'worker 2 (incarnation 1) exited with code 0 before it answered resize. It was never started, so it is safe to call again',
  )
})

test('an abort keeps its reason as the cause', () => {
  expect(catalogue.CallAbortedError.cause).toEqual(new Error('no more'))
})

describe('a record that nothing can be built from becomes an error all the same', () => {
  test.each([
    { code: 'ERR_OF_THE_FUTURE', details: {} },
    { code: 'constructor', details: {} },
    { code: 'ERR_REMOTE', details: {} },
    { code: 'ERR_BOOT', details: {} },
    { code: 'ERR_NO_SUCH_METHOD', details: {} },
    { code: 'ERR_VALIDATION', details: { issues: 'x' } },
    { code: 'ERR_NO_SUCH_WORKER', details: { target: { toString: 1 } } },
  ])('$code $details', (record) => {
    const error = fromRecord(record)
    expect(error).toBeInstanceOf(errors.PayloadError)
    expect(error.message).toContain(`code "${record.code}"`)
    // Nobody knows what the other side did.
    expect(error.sent).toBe('maybe')
  })
})
