// The worker of the run `streams`.

import { joinCluster } from 'troupe'
import { memoryNow } from './memory-now.mjs'
import { readSlowly } from './read-slowly.mjs'

const cluster = await joinCluster({
  memory: memoryNow,
  /** @param {number} count @param {number} length */
  async *items(count, length) {
    for (let item = 0; item < count; item++) yield `${item}`.padEnd(length, '.')
  },
  /** @param {number} target @param {number} count @param {number} length @param {number} pause */
  read: async (target, count, length, pause) => readSlowly(cluster.stream(target, 'items', [count, length]), pause),
})
