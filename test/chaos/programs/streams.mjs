// The primary of the run `streams`. Prints one JSON value.
//   streams.mjs <items of the slow stream> <items of the fast one>

import { createCluster } from 'troupe'
import { memoryNow } from './memory-now.mjs'
import { readSlowly } from './read-slowly.mjs'

const [slow = 1, fast = 1] = process.argv.slice(2).map(Number)
/** Characters of an item. */
const LENGTH = 100
/** ms after every thousand items. */
const PAUSE = 10
const SENDER = 1

const cluster = await createCluster({
  exec: new URL('./streams-worker.mjs', import.meta.url),
  args: [],
  execArgv: ['--expose-gc'],
  workers: 2,
})
const result = {
  slow: { 'read by the primary': await watched(slow, 0), 'read by a worker': await watched(slow, 2) },
  fast: { 'read by the primary': await read(0, fast, 0), 'read by a worker': await read(2, fast, 0) },
}
console.log(JSON.stringify(result))
await cluster.stop({ force: true })

/** What it does to the memory of all three processes to be read slowly. The sender is asked meanwhile, as a call would be. */
async function watched(/** @type {number} */ count, /** @type {number} */ reader) {
  // What the processes take when they first work at all is not what is measured.
  await read(reader, count / 10, 0)
  /** @type {Record<string, { live: number, rss: number }>[]} */
  const samples = []
  const look = async () => {
    const [sender, other] = await Promise.all([SENDER, 2].map((id) => cluster.call(id, 'memory', [])))
    samples.push({ sender, primary: memoryNow(), 'other worker': other })
  }
  await look()
  const watch = setInterval(() => void look(), 200)
  try {
    const outcome = await read(reader, count, PAUSE)
    await look()
    return { ...outcome, samples }
  } finally {
    clearInterval(watch)
  }
}

/** Worker 1 sends; the primary reads, or worker 2. */
async function read(/** @type {number} */ reader, /** @type {number} */ count, /** @type {number} */ pause) {
  if (reader === 0) return await readSlowly(cluster.stream(SENDER, 'items', [count, LENGTH]), pause)
  return await cluster.call(reader, 'read', [SENDER, count, LENGTH, pause], { timeout: 600_000 })
}
