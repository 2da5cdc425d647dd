import { expect, test } from 'vitest'
import type { ListenAddress } from '../../../src/protocol/frames.js'
import {
  addressesToInherit,
  describeAddress,
  missingForReady,
  type ReadyMode,
  type Seen,
} from '../../../src/runtime/supervision/readiness.js'

const seen = (fields: Partial<Omit<Seen, 'listening'>> & { listening?: string[] } = {}): Seen => ({
  online: false,
  joined: false,
  manual: false,
  ...fields,
  listening: new Set(fields.listening),
})
const NOWHERE = new Set<string>()

test.each<[ReadyMode, Parameters<typeof seen>[0], string]>([
  ['online', { online: true }, ''],
  ['online', {}, 'its process has not started to run'],
  ['join', { joined: true }, ''],
  ['join', { online: true, listening: ['*:1'], manual: true }, 'it has not called `joinCluster`'],
  ['listen', { listening: ['*:1'] }, ''],
  ['listen', { joined: true, manual: true }, 'it does not listen'],
  ['manual', { manual: true }, ''],
  ['manual', { joined: true, listening: ['*:1'] }, 'it has not called `cluster.ready()`'],
  ['auto', { joined: true }, ''],
  ['auto', { listening: ['*:1'] }, ''],
  ['auto', { online: true, manual: true }, 'it has neither called `joinCluster` nor listened'],
])('%s, having seen %o: %s', (mode, what, missing) => {
  expect(missingForReady(mode, seen(what), NOWHERE).join()).toBe(missing)
})

test.each<ReadyMode>(['auto', 'join', 'listen', 'online', 'manual'])(
  '%s: a replacement must listen wherever its predecessor did',
  (mode) => {
    const all = seen({ online: true, joined: true, manual: true, listening: ['*:1', '*:3'] })
    expect(missingForReady(mode, all, new Set(['*:1', '*:2']))).toEqual([
      'it does not listen on *:2, where its predecessor did',
    ])
    expect(missingForReady(mode, all, new Set(['*:1']))).toEqual([])
  },
)

test('says all that is missing', () => {
  expect(missingForReady('join', seen(), new Set(['*:1']))).toHaveLength(2)
})

test.each<[ListenAddress, string]>([
  [{ address: '127.0.0.1', port: 80, addressType: 4 }, '127.0.0.1:80'],
  [{ port: 80, addressType: 4 }, '*:80'],
  [{ address: null, port: 80, addressType: 4 }, '*:80'],
  [{ address: '::1', port: 80, addressType: 6 }, '[::1]:80'],
  [{ address: '/run/app.sock', addressType: -1 }, '/run/app.sock'],
  [{ address: '0.0.0.0', port: 53, addressType: 'udp4' }, '0.0.0.0:53/udp'],
  [{ address: '::', port: 53, addressType: 'udp6' }, '[::]:53/udp'],
])('%o is written %s', (address, text) => {
  expect(describeAddress(address)).toBe(text)
})

test('a successor inherits every address but a socket file that is named after the process', () => {
  const listening = new Set(['*:3000', '*:4711', '/run/app.sock', '/tmp/debug-4711.sock', '/tmp/debug-14711.sock'])
  expect([...addressesToInherit(listening, 4711)]).toEqual([
    '*:3000',
    '*:4711',
    '/run/app.sock',
    '/tmp/debug-14711.sock',
  ])
})
