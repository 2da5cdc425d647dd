// A worker that takes its time, and one among them more: every answer begins with who gives it, and ends with how long it took.
// A short request holds the loop, as work does, but no core: it sleeps, so that many workers fit on a few cores. A long one waits.

import cluster from 'node:cluster'
import { createServer } from 'node:http'

const { SLOW, SHORT, LONG } = process.env
const isSlow = cluster.worker?.id === 1
const factor = isSlow ? Number(SLOW) : 1
const still = new Int32Array(new SharedArrayBuffer(4))

const server = createServer((request, response) => {
  const arrived = performance.now()
  const end = () => response.end(`${process.pid} ${performance.now() - arrived}`)
  if (request.url === '/short') {
    Atomics.wait(still, 0, 0, Number(SHORT) * factor)
    end()
    return
  }
  // Who has it is known before it ends.
  response.writeHead(200, { 'X-Pid': process.pid })
  response.flushHeaders()
  setTimeout(end, Number(LONG) * factor)
})
server.on('upgrade', (_request, socket) => {
  // A slow worker is slow to answer a handshake too.
  if (isSlow) Atomics.wait(still, 0, 0, Number(SHORT))
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Pid: ${process.pid}\r\n\r\n`,
  )
  socket.on('data', () => {})
  socket.on('error', () => socket.destroy())
})
server.listen(0, '127.0.0.1')
