import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { WorkerOutput } from '../../../src/runtime/supervision/worker-output.js'
import { FakeClock } from '../../support/fake-clock.js'

const OURS = 'Debugger attached.\n'

function open() {
  const clock = new FakeClock()
  const stderr = new PassThrough()
  const forwarded: string[] = []
  const output = new WorkerOutput(stderr, { clock, forward: (bytes) => forwarded.push(String(bytes)) })
  const write = async (text: string): Promise<void> => {
    stderr.write(text)
    await clock.settle()
  }
  let speak: () => void = () => {}
  const heard = new Promise<void>((resolve) => {
    speak = resolve
  })
  return { clock, stderr, forwarded, output, write, heard, speak }
}

test('what a worker writes goes on as it is, and its end is kept; what somebody else makes it say of its inspector too', async () => {
  const { output, forwarded, write } = open()
  await write('one')
  await write(OURS)
  expect(forwarded).toEqual(['one', OURS])
  expect(output.text()).toBe(`one${OURS}`)
})

test('what node says of a look is left out of both, until the worker has been heard for a moment', async () => {
  const { clock, output, forwarded, write, heard, speak } = open()
  output.leaveOutLook(heard)
  await write(`one\n${OURS}`)
  await clock.advance(60_000)
  speak()
  await clock.settle()
  await write(OURS)
  expect(output.text()).toBe('one\n')
  await clock.advance(1_000)
  await write(OURS)
  expect(forwarded.join('')).toBe(`one\n${OURS}`)
})

test('two looks at one silence end together', async () => {
  const { clock, output, write, heard, speak } = open()
  output.leaveOutLook(heard)
  output.leaveOutLook(heard)
  await write('Debug')
  speak()
  await clock.advance(999)
  expect(output.text()).toBe('')
  await clock.advance(1)
  expect(output.text()).toBe('Debug')
})

test('what is held when the pipe ends is told before the end', async () => {
  const { output, stderr, write, heard } = open()
  output.leaveOutLook(heard)
  await write('Debugger att')
  stderr.destroy()
  await output.read()
  expect(output.text()).toBe('Debugger att')
})

test('a pipe that somebody holds open is not waited for for ever', async () => {
  const { clock, output } = open()
  let read = false
  const done = output.read().then(() => {
    read = true
  })
  await clock.advance(99)
  expect(read).toBe(false)
  await clock.advance(1)
  await done
  expect(clock.armed).toBe(0)
})
