/**
 * Broadcast cache invalidation: an HTTP API over SQLite, a cache in every worker, and no stale read. When a write has
 * answered, no worker serves what was there before. No Redis, no TTL to wait for.
 *
 *     node --import tsx examples/cache/main.ts    http://localhost:3000, Ctrl-C stops it
 *
 *     curl -X PUT localhost:3000/items/tea -H 'content-type: application/json' -d '{"cups":3}'
 *     curl -i localhost:3000/items/tea            `x-worker` and `x-cache` say who answered, and from where
 *
 * PORT, HOST, WORKERS and DATABASE (the file) set what they say. INVALIDATION=off leaves the messages out, to see what
 * they are there for.
 *
 * Reading order: `contract.ts` (the message), `cache.ts` (the race that it must win), `worker.ts` (subscribe, then read,
 * then listen), `http.ts` (write, tell all, answer), `store.ts` (the database).
 */
import { BootError, createCluster } from 'troupe'
import type { Contract } from './contract.js'
import { readSettings } from './settings.js'
import { prepareStore } from './store.js'

try {
  await start()
} catch (error) {
  // That of a worker's end says it with the worker's last words: the port is taken, for example.
  console.error(error instanceof BootError ? error.message : error)
  process.exitCode = 1
}

async function start(): Promise<void> {
  const { host, workers, database } = readSettings(process.env)
  prepareStore(database)
  const cluster = await createCluster<Contract>({
    exec: new URL('./worker.ts', import.meta.url),
    workers,
    ready: 'listen',
    signals: true,
    // A write waits no longer than this for a worker that does not answer.
    timeouts: { ack: 2_000 },
  })
  for (const { id, pid } of cluster.workers.values()) console.log(`Worker ${id} is process ${pid}`)
  cluster.on('ready', ({ id, pid }) => console.log(`Worker ${id} is process ${pid}`))
  cluster.on('exit', ({ id, code, signal, intended }) => {
    if (!intended) console.log(`Worker ${id} ended (${signal ?? code})`)
  })
  console.log(`Items of ${database} on http://${host}:${await cluster.any().port()}/items/:key`)
}
