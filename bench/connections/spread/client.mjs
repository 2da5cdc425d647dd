// An open load, in a process of its own: so many new connections a second, whatever becomes of those before, as from many users.
// `client.mjs '{"port":…,"path":"/short","perSecond":…,"seconds":…}'`; path `websocket` opens and holds. Prints `{ queued, live, failed }`:
// ms that each waited before its worker began with it, and how evenly workers held connections, again and again.

import { connect } from 'node:net'

/** @type {{ port: number, path: string, perSecond: number, seconds: number, workers: number }} */
const { port, path, perSecond, seconds, workers } = JSON.parse(process.argv[2] ?? '')
const isHeld = path === 'websocket'
const request = isHeld
  ? 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
  : `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`

/** @type {number[]} */
const queued = []
/** @type {number[]} */
const uneven = []
/** Open at each worker, by pid, as far as it has said so. @type {Map<string, number>} */
const live = new Map()
let failed = 0
let open = 0

/** @param {number} due */
function one(due) {
  open++
  let text = ''
  let pid = ''
  const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(request)).setEncoding('latin1')
  socket.on('data', (chunk) => {
    text += chunk
    if (pid) return
    pid = /X-Pid: (\d+)\r\n/.exec(text)?.[1] ?? ''
    if (!pid) return
    live.set(pid, (live.get(pid) ?? 0) + 1)
    if (isHeld) queued.push(performance.now() - due)
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    open--
    if (pid) live.set(pid, (live.get(pid) ?? 0) - 1)
    if (isHeld) return
    const took = /\d+ (\d+\.?\d*)\r?\n?(?:0\r\n\r\n)?$/.exec(text)?.[1]
    if (took === undefined) failed++
    else queued.push(performance.now() - due - Number(took))
  })
}

const start = performance.now()
const total = Math.round(perSecond * seconds)
let made = 0
await new Promise((resolve) => {
  const timer = setInterval(() => {
    const due = Math.min(total, Math.floor(((performance.now() - start) / 1_000) * perSecond))
    while (made < due) one(start + (made++ / perSecond) * 1_000)
    const counts = [...live.values()]
    const sum = counts.reduce((all, count) => all + count, 0)
    if (sum >= workers * 4) uneven.push((Math.max(...counts) * workers) / sum)
    if (made === total) resolve(clearInterval(timer))
  }, 5)
})
// Whoever waits still is answered, or counted as failed.
const patience = performance.now() + 20_000
const isDone = () => (isHeld ? queued.length === total : open === 0)
while (!isDone() && performance.now() < patience) await new Promise((resolve) => setTimeout(resolve, 20))
failed += isHeld ? total - queued.length : open
const counts = [...live.values()]
const sum = counts.reduce((all, count) => all + count, 0)
if (isHeld) uneven.splice(0, uneven.length, (Math.max(...counts) * workers) / sum)
console.log(JSON.stringify({ queued, uneven, failed, total }))
process.exit()
