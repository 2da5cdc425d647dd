// Broadcasts that nobody acknowledges, held to it that all of them arrive, in order, at everybody. One burst is published at
// once, and counts as answered when every receiver has the whole of it; a few bursts are in flight, so that nothing is ever
// idle and nothing grows without bound.
//
// The receivers say so over `process.send` to their primary and on to the publisher, one message for each burst: for every
// candidate the same, and little beside the burst itself.

/** Messages of one burst. */
export const BURST = 64

/** @typedef {{ on(event: 'message', listener: (message: any) => void): unknown, send(message: object): unknown }} Port */

/**
 * In the primary: tells the publisher when all have a burst.
 * @param {Port} publisher
 * @param {readonly Port[]} receivers
 */
export function confirmBursts(publisher, receivers) {
  /** @type {Map<number, number>} how many have it, by burst, until all have */
  const counts = new Map()
  for (const receiver of receivers)
    receiver.on('message', ({ seen }) => {
      if (seen === undefined) return
      const count = (counts.get(seen) ?? 0) + 1
      if (count < receivers.length) {
        counts.set(seen, count)
        return
      }
      counts.delete(seen)
      publisher.send({ confirmed: seen })
    })
}

/**
 * In a receiver: what to do with an order that was broadcast. Throws, and so ends the process, when one is missing.
 * @param {boolean} [isAcknowledged] then nobody waits for bursts
 * @returns {(order: import('./orders.mjs').Order) => void}
 */
export function receiver(isAcknowledged = false) {
  let next = 0
  return ({ number, lines }) => {
    if (number !== next || lines.length !== LINES) throw new Error(`Expected message ${next}, got ${number}`)
    next++
    if (!isAcknowledged && next % BURST === 0) process.send?.({ seen: next / BURST - 1 })
  }
}

/**
 * In the publisher: publishes the burst of this number, and resolves with it when it is confirmed.
 * @param {(order: import('./orders.mjs').Order) => unknown} publish
 * @returns {(burst: number) => Promise<number>}
 */
export function publisher(publish) {
  /** @type {Map<number, (burst: number) => void>} */
  const waiting = new Map()
  process.on('message', (/** @type {any} */ { confirmed }) => {
    waiting.get(confirmed)?.(confirmed)
    waiting.delete(confirmed)
  })
  return (burst) =>
    new Promise((resolve, reject) => {
      waiting.set(burst, resolve)
      for (let index = 0; index < BURST; index++) Promise.resolve(publish(orderOf(burst * BURST + index))).catch(reject)
    })
}

const LINES = 2

const lines = Array.from({ length: LINES }, (_, line) => ({ sku: `tea-0000${line}`, cents: 450 }))

/**
 * What is broadcast, and what a stream consists of: about 100 bytes.
 * @param {number} number
 * @returns {import('./orders.mjs').Order}
 */
export const orderOf = (number) => ({ number, customer: 'c-000017', lines })
