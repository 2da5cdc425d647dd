// The worker of the run `calls`.

import { joinCluster } from 'troupe'
import { castMany } from './cast-many.mjs'

const cluster = await joinCluster({
  never: () => new Promise(() => {}),
  take: () => {},
  /** @param {number} target @param {number} count @param {number} size */
  castTo: async (target, count, size) => castMany(cluster, target, count, size),
})
