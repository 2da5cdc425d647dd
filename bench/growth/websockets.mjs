// Holds idle WebSockets, in a process of its own: `websockets.mjs 34567`. Of each number that it is sent it opens so many more, and
// says when all are open. Ends with whoever forked it.

import { connect } from 'node:net'

const port = Number(process.argv[2])
const REQUEST = [
  'GET / HTTP/1.1',
  'Host: localhost',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n')

/** At once: the backlog of a listening socket has room for them. */
const BATCH = 100

function open() {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(REQUEST))
    socket.once('data', (chunk) => {
      if (String(chunk).startsWith('HTTP/1.1 101 ')) resolve(undefined)
      else reject(new Error(`Expected an upgrade, got ${chunk}`))
    })
    socket.on('error', reject)
    socket.on('close', () => process.connected && process.send?.({ lost: 1 }))
  })
}

process.on('message', async (count) => {
  for (let left = Number(count); left > 0; left -= BATCH)
    await Promise.all(Array.from({ length: Math.min(left, BATCH) }, open))
  process.send?.({ opened: count })
})
process.on('disconnect', () => process.exit())
