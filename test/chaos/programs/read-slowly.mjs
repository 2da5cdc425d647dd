// The reader of the run `streams`, in the primary or in a worker.

import { setTimeout as wait } from 'node:timers/promises'

/** So many items between two pauses. */
const BETWEEN_PAUSES = 1_000

/**
 * Reads a stream of numbered items to its end.
 * @param {AsyncIterable<string>} stream
 * @param {number} pause ms, after every thousand items
 * @returns {Promise<{ items: number, misplaced: number, ms: number }>}
 */
export async function readSlowly(stream, pause) {
  const begun = performance.now()
  let items = 0
  let misplaced = 0
  for await (const item of stream) {
    if (Number.parseInt(item, 10) !== items) misplaced++
    items++
    if (pause > 0 && items % BETWEEN_PAUSES === 0) await wait(pause)
  }
  return { items, misplaced, ms: performance.now() - begun }
}
