import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { look } from '../../../src/runtime/evidence/look.js'

const opening = (): void => {}

test('says why there is no stack of a process that has just ended', async () => {
  const child = spawn(process.execPath, ['--version'], { stdio: ['ignore', 'ignore', 'pipe'] })
  await once(child, 'exit')
  const sighting = await look({ process: child, inspectable: true, opening })
  expect(sighting).toEqual({ activity: 'unknown', stack: undefined, reason: 'it has just ended' })
})

test('leaves nothing open when a process has ended and this one does not know it yet', async () => {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(child, 'exit')
  const stderr = new PassThrough()
  const asItWas = { pid: child.pid as number, exitCode: null, signalCode: null, stderr }
  const { reason } = await look({ process: asItWas, inspectable: true, opening })
  expect(reason).toBe('it has just ended')
  // What waits for an address would have nobody who hears that none came.
  expect(stderr.listenerCount('data')).toBe(0)
})
