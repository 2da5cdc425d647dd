/**
 * One worker: Socket.IO's first example, a page where everybody reads what anybody says. What comes to this worker is
 * published to all of them, which Socket.IO's documentation needs Redis for.
 */
import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { channel, joinCluster } from 'troupe'

const said = channel<{ text: string; worker: number }>('said')
const cluster = await joinCluster()
const server = createServer((_request, response) => {
  response.setHeader('content-type', 'text/html; charset=utf-8').end(PAGE)
})
const io = new Server(server, { transports: ['polling'] })

io.on('connection', (socket) => {
  socket.emit('welcome', { worker: cluster.id })
  socket.on('say', async (text: unknown) => {
    if (typeof text === 'string' && text !== '' && text.length <= 500)
      await cluster.publish(said, { text, worker: cluster.id })
  })
})
await cluster.subscribe(said, (message) => void io.local.emit('said', message)).active
cluster.onDrain(() => io.close())

server.on('listening', () => console.log(`Worker ${cluster.id} listens on`, server.address()))
server.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? '127.0.0.1')

const PAGE = `<!doctype html>
<title>Socket.IO on several workers</title>
<form><input autofocus maxlength="500" aria-label="Message"> <button>Say</button></form>
<ul></ul>
<script src="/socket.io/socket.io.js"></script>
<script>
  const socket = io({ transports: ['polling'] })
  const show = (text) => document.querySelector('ul').append(Object.assign(document.createElement('li'), { textContent: text }))
  socket.on('welcome', ({ worker }) => show('You are served by worker ' + worker))
  socket.on('said', ({ text, worker }) => show(text + ' (by way of worker ' + worker + ')'))
  document.querySelector('form').onsubmit = (event) => {
    event.preventDefault()
    socket.emit('say', document.querySelector('input').value)
    event.target.reset()
  }
</script>
`
