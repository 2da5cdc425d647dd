// A worker of either candidate: has methods (troupe), or sends back every message (node), and holds WebSockets that say nothing.

import { createServer } from 'node:http'

let delivered = 0

const methods = {
  /** @param {number} value */
  echo: (value) => value,
  /** @param {number} count */
  async subscribe(count) {
    for (let index = 0; index < count; index++) await subscribe(() => void delivered++)
  },
  delivered: () => delivered,
}
/** @type {(handler: () => void) => Promise<void>} */
let subscribe

if (!process.env.ALONE) {
  const { channel, joinCluster } = await import('../../dist/index.js')
  const news = channel('growth.news')
  const actor = await joinCluster(methods)
  subscribe = (handler) => actor.subscribe(news, handler).active
}

const server = createServer((_request, response) => response.end('hello'))
server.on('upgrade', (_request, socket) => {
  // The least that a library does: it answers, and listens.
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
  socket.on('data', () => {})
  socket.on('error', () => socket.destroy())
})
server.listen(0, '127.0.0.1')

process.on('message', (message) => {
  if (message === 'collect') collect()
  process.send?.(message)
})

function collect() {
  if (!globalThis.gc) throw new Error('Expected --expose-gc')
  globalThis.gc()
}
