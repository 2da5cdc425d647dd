// What every candidate's workers run: a server that knows neither of Troupe nor of the measuring, and says who it is. With
// JOIN it is an actor too, which imports the library.

import { createServer } from 'node:http'

if (process.env.JOIN) {
  const { joinCluster } = await import('../../dist/index.js')
  await joinCluster({ pid: () => process.pid })
}

const server = createServer((_request, response) => response.end(String(process.pid)))
server.listen(Number(process.env.PORT), '127.0.0.1', () => {
  // To whoever has forked it without a cluster.
  if (process.env.BARE) process.send?.('listening')
})

// Node's own cluster, taking turns by hand: what is under way is answered, then the process ends by itself.
process.on('SIGTERM', () => process.exit())
