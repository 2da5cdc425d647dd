/**
 * The smallest cluster: the hello-world of node's cluster docs, one web server on all cores, in one file.
 *
 *     node --import tsx examples/minimal/main.ts    http://localhost:8000, Ctrl-C stops it
 *
 * Try it: `curl localhost:8000` a few times, then `kill -9` the process that answered: it is started again, as the same
 * worker. `kill -HUP` the primary: every worker is replaced, one after the other. PORT sets another port.
 */
import { createServer } from 'node:http'
import { createCluster, isPrimary, joinCluster } from 'troupe'

const methods = {
  greet: (name: string) => `Hello, ${name}! This is process ${process.pid}.`,
}

if (isPrimary) {
  const cluster = await createCluster<{ worker: typeof methods }>({ signals: true })
  for (const id of cluster.workers.keys()) {
    console.log(`Worker ${id} says: ${await cluster.call(id, 'greet', ['primary'])}`)
  }
} else {
  const { id } = await joinCluster(methods)
  const server = createServer((_request, response) => response.end(`Hello from worker ${id}, process ${process.pid}\n`))
  server.on('listening', () => console.log(`Worker ${id} listens on`, server.address()))
  server.listen(Number(process.env.PORT ?? 8000))
}
