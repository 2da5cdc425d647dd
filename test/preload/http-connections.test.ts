import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { openConnections } from '../../src/preload/handles.js'
import { HttpConnections, onConnectionClosed } from '../../src/preload/http-connections.js'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

/** With so many clients connected. */
async function serve() {
  const server = createServer((_request, response) => response.end('hello'))
  const connections = new HttpConnections(server)
  let closed = 0
  expect(onConnectionClosed(server, () => closed++)).toBe(true)
  server.on('connection', (socket: Socket) => connections.came(socket))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  ends.push(() => server.close().closeAllConnections())
  const client = async (): Promise<Socket> => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    ends.push(() => socket.destroy())
    await once(server, 'connection')
    return socket
  }
  return { server, connections, client, closed: () => closed }
}

test('finds the connections of a server: before, during and after a request', async () => {
  const { connections, client } = await serve()
  const first = await client()
  await client()
  first.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(first, 'data')
  expect([...connections].map(({ remotePort }) => remotePort)).toContain(first.localPort)
  expect([...connections]).toHaveLength(2)
})

test('finds those that were upgraded, whom node has let go of, once it is told', async () => {
  const { server, connections, client } = await serve()
  server.on('upgrade', (_request, socket) => {
    connections.detached(socket as Socket)
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n')
  })
  const socket = await client()
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n')
  await once(socket, 'data')
  expect([...connections]).toHaveLength(1)
})

test('is told of each that has closed, when it is counted no more', async () => {
  const { server, connections, client, closed } = await serve()
  const [first, second] = [await client(), await client()]
  first.destroy()
  await expect.poll(closed).toBe(1)
  expect([openConnections(server), [...connections].length]).toEqual([1, 1])
  second.end()
  await expect.poll(closed).toBe(2)
})
