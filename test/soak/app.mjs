// A worker of the soak: HTTP, methods, streams and a channel.
//   PORT   where it listens

import { createServer } from 'node:http'
import { setTimeout as after } from 'node:timers/promises'
import { channel, joinCluster, method } from 'troupe'

const news = channel('soak.news')

const cluster = await joinCluster({
  echo: (/** @type {unknown[]} */ ...values) => values,
  after: async (/** @type {number} */ ms) => {
    await after(ms)
    return ms
  },
  turn: method({ concurrency: 1 }, async () => after(2)),
  again: method({ idempotent: true }, async () => after(5)),
  never: () => new Promise(() => {}),
  fail: () => {
    throw new Error('on purpose')
  },
  async *count(/** @type {number} */ until) {
    for (let number = 0; number < until; number++) yield number
  },
  other: (/** @type {number} */ id) => cluster.call(id, 'echo', ['by a detour']),
  exit: () => process.exit(7),
  block: (/** @type {number} */ ms) => {
    setImmediate(() => {
      const end = Date.now() + ms
      while (Date.now() < end);
    })
  },
})
cluster.subscribe(news, () => {})

const server = createServer(async (request, response) => {
  await after(Number(request.url?.slice(1)) || 0)
  response.end('ok')
})
server.keepAliveTimeout = 60_000
server.listen(process.env.PORT)
