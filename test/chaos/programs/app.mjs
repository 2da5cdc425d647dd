// The app of every run: plain HTTP and WebSockets, which knows nothing of Troupe.
//   PORT        where to listen
//   KEEP_ALIVE  its keepAliveTimeout, ms
//   FOLDER      where it writes to <pid>.held, when it exits, the clients' ports of the connections that it holds; and reads
//               from slow-start, if that is there, how many ms a start is to take

import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { setTimeout as after } from 'node:timers/promises'
import { WebSocketServer } from 'ws'
import { clientsHeldBy } from './sockets.mjs'

const { PORT, KEEP_ALIVE, FOLDER } = process.env
const slowStart = `${FOLDER}/slow-start`
if (existsSync(slowStart)) await after(Number(readFileSync(slowStart, 'utf8')))

const server = createServer(async (request, response) => {
  response.setHeader('x-pid', process.pid)
  const [, what = '', detail] = request.url?.split(/[/?]/) ?? []
  switch (what) {
    case 'wait':
      await after(Number(detail))
      break
    case 'upload':
      return response.end(await digest(request))
    case 'download':
      return download(response, Number(detail))
  }
  response.end('served')
})
if (KEEP_ALIVE) server.keepAliveTimeout = Number(KEEP_ALIVE)

const sockets = new WebSocketServer({ server })
sockets.on('connection', (socket) => {
  socket.on('message', (data) => socket.send(String(data)))
  socket.on('error', () => {})
})

process.on('exit', () => {
  writeFileSync(`${FOLDER}/${process.pid}.held`, [...clientsHeldBy('self', Number(PORT))].join('\n'))
})

/** Faults on demand, by signals, which reach it whatever its connections do. */
process.on('SIGUSR2', () => process.exit(3))
process.on('SIGWINCH', () => {
  const end = Date.now() + 1_500
  while (Date.now() < end);
})

server.listen(PORT)

/** @param {import('node:http').IncomingMessage} request */
async function digest(request) {
  const hash = createHash('sha1')
  for await (const chunk of request) hash.update(chunk)
  return hash.digest('hex')
}

/** @param {import('node:http').ServerResponse} response @param {number} bytes */
function download(response, bytes) {
  response.setHeader('content-length', bytes)
  const chunk = Buffer.alloc(65_536, 'x')
  const more = () => {
    while (bytes > 0) {
      const piece = chunk.subarray(0, bytes)
      bytes -= piece.length
      if (!response.write(piece)) return
    }
    response.end()
  }
  response.on('drain', more)
  more()
}
