import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/runtime/clock.js'
import { NodeSockets } from '../../../src/runtime/connections/node-sockets.js'
import type { Connection, ListeningSocket } from '../../../src/runtime/connections/sockets.js'
import { sending } from '../../../src/runtime/transports/sent-handles.js'

/** Listens on a port of its own, and gives what it accepts. */
function listen() {
  const accepted: ((connection: Connection) => void)[] = []
  let count = 0
  const sockets = new NodeSockets(systemClock())
  const socket = sockets.listen(
    { kind: 'listen', ref: 1, index: 0, port: 0, address: '127.0.0.1', addressType: 4, speaks: 'bytes' },
    {
      accepted(connection) {
        count++
        accepted.shift()?.(connection)
      },
      failed: () => {},
    },
  ) as ListeningSocket
  onTestFinished(() => socket.close())
  const { port } = socket.sockname as { port: number }
  const arrive = async () => {
    const arrival = new Promise<Connection>((resolve) => accepted.push(resolve))
    const client = connect({ port, host: '127.0.0.1' })
    onTestFinished(() => void client.destroy())
    return { client, connection: await arrival }
  }
  /** Whether the system still takes connections there. */
  const isOpen = async (): Promise<boolean> => {
    const client = connect({ port, host: '127.0.0.1' })
    // Whom nobody has accepted is reset when the socket is closed.
    client.on('error', () => {})
    onTestFinished(() => void client.destroy())
    return once(client, 'connect').then(
      () => true,
      () => false,
    )
  }
  return { sockets, socket, arrive, isOpen, count: () => count }
}

test('a listening socket that has still to be sent is closed when it is, and accepts nothing until then', async () => {
  const { socket, isOpen, count } = listen()
  socket.accept(true)
  const sent = sending(socket.handle as object)
  socket.close()
  expect(await isOpen()).toBe(true)
  await new Promise(setImmediate)
  expect(count()).toBe(0)
  sent()
  expect(await isOpen()).toBe(false)
})

test.each<[string, string, (sockets: NodeSockets, connection: Connection) => void]>([
  ['closed', '', (_, connection) => connection.close()],
  ['told why no worker has it', 'no', (sockets, connection) => sockets.refuse(connection, 'no')],
])('a connection that has still to be sent is %s only when it is', async (_, said, end) => {
  const { sockets, socket, arrive } = listen()
  socket.accept(true)
  const { client, connection } = await arrive()
  const heard: string[] = []
  client.on('data', (bytes) => heard.push(bytes.toString()))
  let isClosed = false
  client.once('close', () => {
    isClosed = true
  })
  const sent = sending(connection.handle as object)
  end(sockets, connection)
  // Another one comes and goes meanwhile.
  const other = await arrive()
  other.connection.close()
  await once(other.client.resume(), 'close')
  expect({ isClosed, heard }).toEqual({ isClosed: false, heard: [] })
  sent()
  await once(client, 'close')
  expect(heard.join('')).toBe(said)
})
