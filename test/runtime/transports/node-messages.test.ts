import { describe, expect, test } from 'vitest'
import { BATCH_TAG } from '../../../src/protocol/frames.js'
import { judge } from '../../../src/runtime/transports/node-messages.js'

const QUIET = { handle: false, awaitsHandle: false }

describe('what workers of Node 20 to 26 say passes', () => {
  test.each<[what: string, message: Record<string, unknown>]>([
    ['online', { cmd: 'NODE_CLUSTER', act: 'online', seq: 0 }],
    ['listening on a port', { cmd: 'NODE_CLUSTER', act: 'listening', address: null, addressType: 4, port: 3000 }],
    ['listening on a path', { cmd: 'NODE_CLUSTER', act: 'listening', address: '/x', addressType: -1, port: -1 }],
    ['listening on a descriptor', { cmd: 'NODE_CLUSTER', act: 'listening', address: null, port: null, fd: 3 }],
    ['listening for datagrams', { cmd: 'NODE_CLUSTER', act: 'listening', addressType: 'udp4', port: 53, seq: 2 }],
    ['a disconnect', { cmd: 'NODE_CLUSTER', act: 'exitedAfterDisconnect', seq: 3 }],
    ['the end of a server', { cmd: 'NODE_CLUSTER', act: 'close', key: 'null:53:udp4:undefined:0', seq: 4 }],
    [
      'a request for datagrams',
      {
        cmd: 'NODE_CLUSTER',
        act: 'queryServer',
        address: null,
        port: 53,
        addressType: 'udp6',
        index: 0,
        flags: 0,
        seq: 5,
      },
    ],
    ['the end of sockets', { cmd: 'NODE_SOCKET_ALL_CLOSED', key: '6::::3000' }],
    ['a count of sockets', { cmd: 'NODE_SOCKET_COUNT', key: '6::::3000', count: 4 }],
  ])('%s', (_, message) => {
    expect(judge(message as never, QUIET)).toBe('pass')
  })

  test('the acknowledgement of a handle, where one is awaited', () => {
    for (const cmd of ['NODE_HANDLE_ACK', 'NODE_HANDLE_NACK']) {
      expect(judge({ cmd }, { handle: false, awaitsHandle: true })).toBe('pass')
      expect(judge({ cmd }, QUIET)).toBe('drop')
    }
  })

  test('a message with a handle, and one that has lost it', () => {
    const message = { cmd: 'NODE_HANDLE', type: 'net.Socket', msg: null, key: '4:0.0.0.0:80' }
    expect(judge(message, { handle: true, awaitsHandle: false })).toBe('claim')
    expect(judge(message, QUIET)).toBe('pass')
  })

  test('our own frames, without the handle that none of them has', () => {
    expect(judge({ cmd: BATCH_TAG }, QUIET)).toBe('pass')
    expect(judge({ cmd: BATCH_TAG }, { handle: true, awaitsHandle: false })).toBe('strip')
  })
})

describe('what nobody says does not', () => {
  test.each<[message: Record<string, unknown>]>([
    [{ cmd: 'NODE_' }],
    [{ cmd: 'NODE_DEBUG_ENABLED' }],
    [{ cmd: 'NODE_CLUSTER', act: ['online'] }],
    [{ cmd: 'NODE_CLUSTER', act: '__proto__' }],
    [{ cmd: 'NODE_CLUSTER', act: 'online', ack: 0 }],
    [{ cmd: 'NODE_CLUSTER', act: 'listening', addressType: {}, port: 1 }],
    [{ cmd: 'NODE_CLUSTER', act: 'listening', addressType: 4, port: 65_536 }],
    [{ cmd: 'NODE_CLUSTER', act: 'queryServer', addressType: 4, port: 80, seq: 1 }],
    [{ cmd: 'NODE_CLUSTER', act: 'queryServer', addressType: 'udp4', port: 80 }],
    [{ cmd: 'NODE_CLUSTER', act: 'queryServer', addressType: 'udp4', port: 80, seq: 1, data: {} }],
    [{ cmd: 'NODE_SOCKET_COUNT', key: 'a', count: '1' }],
    [{ cmd: 'NODE_SOCKET_NOTIFY_CLOSE', key: {} }],
  ])('%j', (message) => {
    expect(judge(message as never, QUIET)).toBe('drop')
  })

  test.each([
    [{ cmd: 'NODE_HANDLE', type: 'toString', msg: 1 }],
    [{ cmd: 'NODE_HANDLE', type: 'net.Socket' }],
    [{ cmd: 'NODE_HANDLE', type: 'net.Socket', msg: 1, key: {} }],
  ])('%j with a handle', (message) => {
    expect(judge(message, { handle: true, awaitsHandle: false })).toBe('corrupt')
  })
})
