// A load of HTTP/1.1 requests over raw sockets, in a process of its own: `client.mjs '{"port":…,"clients":64,…}'`. Every
// answer is compared as a whole. Prints what it counted, as `totals.lua` does.

import { connect } from 'node:net'

/** @type {{ port: number, clients: number, keepAlive: boolean, seconds: number }} */
const { port, clients, keepAlive, seconds } = JSON.parse(process.argv[2] ?? '')

const request = `GET / HTTP/1.1\r\nHost: localhost\r\n${keepAlive ? '' : 'Connection: close\r\n'}\r\n`
/** In any order: `@socket.io/sticky` has its own. */
const headers = [
  'Date: [^\\r]+',
  'Content-Length: 5',
  ...(keepAlive ? ['Connection: keep-alive', 'Keep-Alive: timeout=5'] : ['Connection: close']),
]
const answer = new RegExp(`^HTTP/1\\.1 200 OK\r\n(?:(?:${headers.join('|')})\r\n){${headers.length}}\r\nhello$`)

const totals = { answers: 0, bytes: 0, seconds, failed: 0, failure: '' }
const start = performance.now()
const isOver = () => performance.now() - start >= seconds * 1_000

/** @param {string} why */
function failed(why) {
  totals.failed++
  totals.failure ||= why
}

/** One connection: until the time is over, or for one request. */
function converse() {
  return new Promise((ended) => {
    let text = ''
    let isAnswered = false
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(request))
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => {
      text += chunk
      if (!text.endsWith('\r\n\r\nhello')) return
      if (answer.test(text)) totals.answers++
      else failed(`a wrong answer: ${JSON.stringify(text)}`)
      totals.bytes += text.length
      text = ''
      isAnswered = !keepAlive || isOver()
      if (isAnswered) socket.end()
      else socket.write(request)
    })
    socket.on('error', (error) => failed(String(error)))
    socket.on('close', () => {
      if (!isAnswered) failed('a connection ended without an answer')
      ended(undefined)
    })
  })
}

async function client() {
  while (!isOver()) await converse()
}

await Promise.all(Array.from({ length: clients }, client))
totals.seconds = (performance.now() - start) / 1_000
console.log(JSON.stringify(totals))
