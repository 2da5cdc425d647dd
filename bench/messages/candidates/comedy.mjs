// comedy with an actor in a process of its own.

import { peer } from '../job.mjs'
import { drive } from '../load.mjs'
import { workOf } from '../orders.mjs'

const { default: actors } = await peer('comedy')

/** @param {import('../job.mjs').Job} job */
export async function start(job) {
  const work = workOf(job)
  // `test` keeps it from logging; nothing else hangs on it.
  const system = actors({ test: true })
  const root = await system.rootActor()
  const actor = await root.createChild(OrderActor, { mode: 'forked' })
  return {
    drive: (/** @type {import('../load.mjs').Load} */ load) =>
      drive(load, work, (argument) => actor.sendAndReceive(work.method, argument)),
    stop: () => system.destroy(),
  }
}

/** Its source text is what comedy sends to the other process, so it can use nothing from around it. */
class OrderActor {
  /** @param {import('../orders.mjs').Order} order */
  total({ number, lines }) {
    let total = 0
    for (const { cents } of lines) total += cents
    return { number, total }
  }
}
