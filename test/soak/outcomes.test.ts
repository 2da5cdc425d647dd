import { describe, expect, test } from 'vitest'
import { judgeOutcomes } from './outcomes.js'

const good = { answered: 700, ERR_REMOTE: 70, ERR_CALL_TIMEOUT: 80, ERR_CALL_ABORTED: 70, ERR_WORKER_GONE: 5 }

describe('how the messages of a soak ended', () => {
  test('is right when most were answered, and the others have codes', () => {
    expect(judgeOutcomes(good)).toEqual([])
  })

  test('is wrong when something else was thrown', () => {
    expect(judgeOutcomes({ ...good, 'TypeError: x is not a function': 1 })).toEqual([
      '1 ended in what is no code of the catalogue: TypeError: x is not a function',
    ])
    expect(judgeOutcomes({ ...good, ERR_IPC_CHANNEL_CLOSED: 1 })).toHaveLength(1)
  })

  test('is wrong when few were answered, or none were made', () => {
    expect(judgeOutcomes({ ...good, ERR_CALL_TIMEOUT: 1_000 })).toEqual(['700 of 1845 messages were answered'])
    expect(judgeOutcomes({})).toHaveLength(4)
  })

  test('is wrong when what has to fail did not', () => {
    expect(judgeOutcomes({ answered: 1_000, ERR_CALL_TIMEOUT: 1, ERR_CALL_ABORTED: 1 })).toHaveLength(1)
  })
})
