import { describe, expect, test } from 'vitest'
import type { WorkerState } from '../../../src/protocol/frames.js'
import { resolve } from '../../../src/runtime/messaging/resolve.js'

/** Workers as "1:ready 2:starting(3)", the number in parentheses the calls. The incarnation of worker n is n0. */
function workers(text: string) {
  const entries = [...text.matchAll(/(\d+):(\w+)(?:\((\d+)\))?/g)].map(([, id, state, calls = '0']) => {
    const worker = {
      id: Number(id),
      incarnation: Number(id) * 10,
      pid: 1,
      state: state as WorkerState,
      calls: Number(calls),
      connections: 0,
    }
    return [worker.id, worker] as const
  })
  return new Map(entries)
}

function where(to: number | 'any', text: string, full: readonly number[] = [], turn = 0): string {
  const resolution = resolve(to, {
    workers: workers(text),
    hasRoom: (incarnation) => !full.includes(incarnation / 10),
    turn,
  })
  switch (resolution.kind) {
    case 'deliver':
      return `to ${resolution.incarnation}`
    case 'wait':
      return `waits in ${resolution.room}`
    case 'full':
      return 'full'
    case 'nobody':
      return resolution.reason
  }
}

describe('one worker', () => {
  test.each<[WorkerState, string]>([
    ['ready', 'to 10'],
    ['draining', 'to 10'],
    ['unhealthy', 'to 10'],
    ['starting', 'waits in 1'],
    ['failed', "worker 1 has failed: it was restarted too often. See the 'failed' event for its last error"],
    ['stopped', 'worker 1 has stopped, and its restart policy does not start it again'],
  ])('that is %s: %s', (state, outcome) => {
    expect(where(1, `1:${state} 2:ready`)).toBe(outcome)
  })

  test('that has no room is full, whoever else has some', () => {
    expect(where(1, '1:ready 2:ready', [1])).toBe('full')
    expect(where(1, '1:draining', [1])).toBe('full')
  })

  test('that does not exist: says which do', () => {
    expect(where(7, '10:ready 2:ready')).toBe('there is no worker 7. Worker ids are 2, 10')
    expect(where(7, '')).toBe('there is no worker 7. The cluster has no workers')
  })
})

test('0 is the primary, always', () => {
  expect(where(0, '', [0])).toBe('to 0')
})

describe('any', () => {
  test.each<[string, string]>([
    ['1:ready(2) 2:ready(1) 3:ready(3)', 'to 20'],
    ['1:starting 2:ready(99)', 'to 20'],
    ['1:draining 2:ready(99)', 'to 20'],
    ['1:unhealthy 2:ready(99)', 'to 20'],
    ['1:unhealthy 2:failed', 'waits in any'],
    ['1:draining(1) 2:draining', 'to 20'],
    ['1:draining 2:starting', 'to 10'],
    ['1:starting 2:failed', 'waits in any'],
    ['1:failed 2:stopped', 'no worker is ready, and none is starting'],
    ['', 'the cluster has no workers'],
  ])('%s: %s', (state, outcome) => {
    expect(where('any', state)).toBe(outcome)
  })

  test('passes over who has no room', () => {
    expect(where('any', '1:ready 2:ready(5)', [1])).toBe('to 20')
  })

  test('is full when nobody who is ready has room, whoever starts or drains', () => {
    expect(where('any', '1:ready 2:ready 3:starting 4:draining', [1, 2])).toBe('full')
  })

  test('takes turns among equals', () => {
    const state = '1:ready 2:ready 3:ready(1)'
    expect([0, 1, 2, 3].map((turn) => where('any', state, [], turn))).toEqual(['to 10', 'to 20', 'to 10', 'to 20'])
  })
})
