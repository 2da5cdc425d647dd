// The primary of every run, a process of its own, so that what is counted in it is Troupe's and not the clients'. Does
// what its parent asks over IPC, tells it what happens, and ends with it.

import { subscribe } from 'node:diagnostics_channel'
import { createCluster } from 'troupe'

const cluster = await createCluster({
  stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  args: [],
  ...JSON.parse(process.argv[2] ?? '{}'),
})

/** Hand-offs by the incarnation that they were offered to: on their way now, and the most there have been at once. */
/** @type {Map<number, { now: number, most: number }>} */
const handOffs = new Map()
/** @type {Map<number, number>} */
const offeredTo = new Map()
subscribe('troupe.handoff', (message) => {
  const { step, id, to } = /** @type {import('troupe').HandOffEvent} */ (message)
  if (step === 'offered' && to !== undefined) {
    const count = handOffs.get(to) ?? { now: 0, most: 0 }
    handOffs.set(to, count)
    offeredTo.set(id, to)
    count.now += 1
    count.most = Math.max(count.most, count.now)
  } else if (step === 'taken' || step === 'rerouted') {
    const count = handOffs.get(offeredTo.get(id) ?? 0)
    offeredTo.delete(id)
    if (count) count.now -= 1
  }
})

/** @type {Record<string, (...args: any[]) => unknown>} */
const orders = {
  workers: () => [...cluster.workers.values()],
  stats: () => cluster.stats(),
  handOffs: () => Object.fromEntries(handOffs),
  reload: (options) => cluster.reload(options),
  scale: (workers) => cluster.scale(workers),
  stop: (options) => cluster.stop(options),
  collect: () => globalThis.gc?.(),
}

process.on('message', async (message) => {
  const { id, order, args } = /** @type {{ id: number, order: string, args: unknown[] }} */ (message)
  try {
    tell({ id, value: await orders[order]?.(...args) })
  } catch (error) {
    const { name, message, failures } = /** @type {Error & { failures?: object[] }} */ (error)
    tell({ id, error: { name, message, failures } })
  }
})
process.on('disconnect', () => void cluster.stop({ force: true }))
for (const event of /** @type {const} */ (['ready', 'exit', 'failed']))
  cluster.on(event, (detail) => tell({ event, detail }))
void cluster.closed.then(() => process.connected && process.disconnect())
tell({ event: 'started' })

/** @param {object} message */
function tell(message) {
  if (process.connected) process.send?.(message, () => {})
}
