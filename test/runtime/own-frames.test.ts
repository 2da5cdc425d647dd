import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { dropOwnFrames, withoutOwnFrames } from '../../src/runtime/own-frames.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const ours = [
  `    at Caller.call (file://${root}src/runtime/messaging/caller.ts:60:13)`,
  `    at async Messenger.call (${root}dist/runtime/messaging/messenger.js:90:5)`,
]
const theirs = ['    at async handler (/app/server.js:12:3)', '    at async Server.run (file:///app/lib/run.js:4:1)']
const internal = '    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)'

test("leaves the program's lines, and takes ours and Node's steps between them", () => {
  const stack = ['Error: no', ...ours, internal, ...theirs].join('\n')
  expect(dropOwnFrames(stack)).toBe(['Error: no', ...theirs].join('\n'))
})

test("keeps Node's own lines that say something", () => {
  const line = '    at Object.openSync (node:fs:601:3)'
  expect(dropOwnFrames(['Error: ENOENT', line, ...ours].join('\n'))).toBe(['Error: ENOENT', line].join('\n'))
})

test('leaves a stack alone that is nothing else', () => {
  const stack = ['Error: no', ...ours, internal].join('\n')
  expect(dropOwnFrames(stack)).toBe(stack)
})

test('leaves a message alone that looks like a frame of ours', () => {
  const message = `first line\n${ours[0]}\nlast line`
  const error = new Error(message)
  error.stack = `Error: ${message}\n${[...ours, ...theirs].join('\n')}`
  expect(withoutOwnFrames(error).stack).toBe(`Error: ${message}\n${theirs.join('\n')}`)
})

describe('changes in place', () => {
  test('the error that it was given', () => {
    const error = new Error('x')
    expect(withoutOwnFrames(error)).toBe(error)
  })

  test.each<[string, unknown]>([
    ['a text', 'thrown'],
    ['null', null],
    ['an error without a stack', Object.assign(new Error('x'), { stack: undefined })],
  ])('nothing of %s', (_, value) => {
    expect(withoutOwnFrames(value)).toBe(value)
  })
})
