import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { readStack } from '../../../src/runtime/evidence/read-stack.js'

const servers: Server[] = []
const sockets: Socket[] = []

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) server.close()
})

/** One frame of text, as a server writes it. */
function frame(text: string): Buffer {
  const body = Buffer.from(text)
  const size = Buffer.alloc(8)
  size.writeBigUInt64BE(BigInt(body.length))
  return Buffer.concat([Buffer.from([0x81, 127]), size, body])
}

/** Somebody who takes WebSockets, and answers the first bytes with these. */
async function answering(...answers: Buffer[]): Promise<string> {
  const server = createServer()
  servers.push(server)
  server.on('upgrade', (_, socket: Socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    socket.once('data', () => {
      for (const answer of answers) socket.write(answer)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/71994be9-7aa7-421e-a292-c5d7e5c9a7d9`
}

const paused = (callFrames: unknown) => frame(JSON.stringify({ method: 'Debugger.paused', params: { callFrames } }))
const read = (address: string) => readStack(address, AbortSignal.timeout(10_000))

test('reads the stack that an inspector tells, with the files by their names', async () => {
  const parsed = { method: 'Debugger.scriptParsed', params: { scriptId: '7', url: 'file:///app.js' } }
  const location = { scriptId: '7', lineNumber: 2, columnNumber: 4 }
  const address = await answering(frame(JSON.stringify(parsed)), paused([{ functionName: 'spin', location }]))
  expect(await read(address)).toBe('    at spin (file:///app.js:3:5)')
})

describe('whoever else listens there', () => {
  test.each([
    ['text that is no JSON', frame('welcome to the chat')],
    ['null', frame('null')],
    ['params that are none', frame('{"method":"Debugger.paused","params":null}')],
    ['no frames', paused(undefined)],
    ['frames that are no list', paused({ length: 3 })],
    ['frames without a place', paused([{ functionName: 'spin' }])],
    ['a place that is none', paused([{ functionName: 'spin', location: { scriptId: '7', lineNumber: 'x' } }])],
  ])('is no inspector: %s', async (_, answer) => {
    await expect(read(await answering(answer))).rejects.toThrow('what listens there is no inspector')
  })

  test('is left when it says too much', async () => {
    const endless = Buffer.alloc(10)
    endless.writeUInt8(0x81, 0)
    endless.writeUInt8(127, 1)
    endless.writeBigUInt64BE(2n ** 40n, 2)
    await expect(read(await answering(endless))).rejects.toThrow('closed the connection')
  })

  test('does not make an answer longer than a stack', async () => {
    const location = { scriptId: '7', lineNumber: 0 }
    const frames = Array.from({ length: 100 }, () => ({ functionName: 'f'.repeat(5_000), location }))
    const stack = await read(await answering(paused(frames)))
    expect(stack.split('\n')).toHaveLength(20)
    expect(stack.length).toBeLessThan(25_000)
  })

  test('is not waited for', async () => {
    await expect(readStack(await answering(), AbortSignal.timeout(20))).rejects.toThrow(
      'did not stop for its inspector',
    )
  })
})
