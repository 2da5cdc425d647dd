import { expect, test } from 'vitest'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from '../../src/runtime/limits.js'
import { takeIdentity, type WorkerIdentity, writeIdentity } from '../../src/runtime/worker-identity.js'

const PRIMARY = 4_711
const identity: WorkerIdentity = {
  id: 2,
  incarnation: 5,
  primary: PRIMARY,
  signals: true,
  limits: DEFAULT_LIMITS,
  timeouts: DEFAULT_TIMEOUTS,
}

test('a worker takes its identity out of the environment, so that what it starts inherits nothing', () => {
  const env = { PATH: '/bin', ...writeIdentity(identity) }
  expect(takeIdentity(env, PRIMARY)).toEqual(identity)
  expect(env).toEqual({ PATH: '/bin' })
  expect(takeIdentity(env, PRIMARY)).toBeUndefined()
})

test('a process with another parent is no worker, and the variable goes all the same', () => {
  const env = { ...writeIdentity(identity) }
  expect(takeIdentity(env, PRIMARY + 1)).toBeUndefined()
  expect(env).toEqual({})
})

test.each(['', 'null', '{', '[]', '5', '{"id":1}'])('a variable that reads %s makes no worker', (text) => {
  const [name] = Object.keys(writeIdentity(identity))
  expect(takeIdentity({ [name as string]: text }, PRIMARY)).toBeUndefined()
})
