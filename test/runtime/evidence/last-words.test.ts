import { describe, expect, test } from 'vitest'
import { type Ending, lastLines, outOfMemory } from '../../../src/runtime/evidence/last-words.js'

describe('out of memory', () => {
  const V8 =
    '\n<--- Last few GCs --->\n\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----'
  test.each<[string, Partial<Ending>, string]>([
    ['V8 said so', { signal: 'SIGABRT', output: V8 }, 'yes'],
    ['V8 said so, as a shell tells it', { code: 134, output: V8 }, 'yes'],
    ['aborted by itself', { signal: 'SIGABRT', output: 'Assertion failed: x\n' }, 'no'],
    ['aborted, and its stderr is not seen', { signal: 'SIGABRT' }, 'unknown'],
    ['killed by somebody, perhaps the kernel', { signal: 'SIGKILL', output: 'fine\n' }, 'unknown'],
    ['killed by the runtime', { signal: 'SIGKILL', killed: true }, 'no'],
    ['printed the words, and ended otherwise', { code: 1, output: V8 }, 'no'],
    ['ended', { code: 0 }, 'no'],
    ['SIGTERM', { signal: 'SIGTERM' }, 'no'],
  ])('%s', (_, ending, outcome) => {
    expect(outOfMemory({ code: null, signal: null, killed: false, output: '', ...ending })).toBe(outcome)
  })
})

test('of the output the last lines', () => {
  expect(lastLines('')).toBe('')
  expect(lastLines('one\ntwo\n\n')).toBe('one\ntwo')
  const lines = Array.from({ length: 100 }, (_, index) => `line ${index}`)
  expect(lastLines(lines.join('\n')).split('\n')).toEqual(lines.slice(-12))
  expect(lastLines('x'.repeat(10_000))).toBe(`…${'x'.repeat(2_047)}`)
})
