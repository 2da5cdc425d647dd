/**
 * One worker: serves the items from its own cache, and the rest from the database. Started by `main.ts`, once per core.
 */
import { createServer } from 'node:http'
import { joinCluster, WorkerGoneError } from 'troupe'
import { ReadThroughCache } from './cache.js'
import { type Contract, type Item, itemChanged, type WorkerMethods } from './contract.js'
import { itemsApi } from './http.js'
import { readSettings } from './settings.js'
import { openStore } from './store.js'

const { database, host, port, invalidation } = readSettings(process.env)
const store = openStore(database)
const cache = new ReadThroughCache<Item>({
  maxEntries: 10_000,
  maxSize: 32 * 1024 * 1024,
  sizeOf: (item) => item.value.length,
})
const methods: WorkerMethods = {
  port() {
    const address = server.address()
    return typeof address === 'object' && address ? address.port : port
  },
}
const cluster = await joinCluster<Contract>(methods)

// Subscribed first, then reading: whatever is cached from here on was read after the subscription was active, so no
// change of it can be missed.
const subscription = cluster.subscribe(itemChanged, ({ key }) => cache.invalidate(key))
// A worker may die between its write and its message about it: nobody got an answer, but the old item would stay.
cluster.on('exit', () => cache.clear())
await subscription.active

const server = createServer(itemsApi({ worker: cluster.id, store, cache, invalidate }))
// What is slower than this with its request is cut off, also what sends a body without end.
server.requestTimeout = 10_000
server.on('error', ({ message }) => {
  console.error(`Cannot listen: ${message}`)
  process.exit(1)
})
server.listen(port, host)

/** Resolves when all have forgotten the item, or the deadline has passed: with the workers that have not confirmed it. */
async function invalidate(key: string): Promise<number[]> {
  if (!invalidation) return []
  const { failed } = await cluster.publish(itemChanged, { key }, { ack: true })
  // Who is gone has taken its cache along. All others (too slow, a handler that threw) may still have the old item.
  return failed.filter(({ error }) => !(error instanceof WorkerGoneError)).map(({ id }) => id)
}
