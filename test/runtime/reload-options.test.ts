import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { UsageError } from '../../src/protocol/errors.js'
import { type ReloadOptions, readReload } from '../../src/runtime/reload-options.js'
import { thrown } from '../support/outcome.js'

test('nothing given changes nothing', () => {
  expect(readReload({})).toEqual({ settings: {} })
  const options = { concurrency: undefined, settle: undefined, exec: undefined, args: undefined, env: undefined }
  expect(readReload(options)).toEqual({ settings: {} })
  expect(Object.keys(readReload(options))).toEqual(['settings'])
})

test('everything given is taken', () => {
  expect(
    readReload({ concurrency: 3, settle: 0, exec: new URL('file:///app/b.js'), args: [], execArgv: ['-i'], env: {} }),
  ).toEqual({
    concurrency: 3,
    settle: 0,
    settings: { exec: fileURLToPath('file:///app/b.js'), args: [], execArgv: ['-i'], env: {} },
  })
})

test('what the caller changes afterwards changes nothing', () => {
  const options = { args: ['a'], execArgv: ['b'], env: { C: 'c' } }
  const plan = readReload(options)
  options.args.push('x')
  options.execArgv.push('x')
  options.env.C = 'x'
  expect(plan).toEqual({ settings: { args: ['a'], execArgv: ['b'], env: { C: 'c' } } })
})

describe('a wrong option is refused with what it should be and what it is', () => {
  test.each<[unknown, string]>([
    [5, 'Expected `options` to be an object, got 5'],
    [{ concurrency: 0 }, 'Expected `concurrency` to be a positive integer, got 0'],
    [{ settle: -1 }, 'Expected `settle` to be a number between 0 and 2147483647, got -1'],
    [{ settle: '2s' }, 'Expected `settle` to be a number between 0 and 2147483647, got "2s"'],
    [{ args: 'a' }, 'Expected `args` to be an array of strings, got "a"'],
    [{ execArgv: [1] }, 'Expected `execArgv` to be an array of strings, got an array'],
    [{ env: [] }, 'Expected `env` to be an object, got an array'],
    [{ exec: '' }, 'Expected `exec` to be a path or a file: URL, got ""'],
    [{ cwd: '/' }, 'Unknown option `cwd`. Known are `concurrency`, `settle`, `exec`, `args`, `execArgv`, `env`'],
  ])('%j', (options, message) => {
    expect(thrown(UsageError, () => readReload(options as ReloadOptions)).message).toBe(message)
  })
})
