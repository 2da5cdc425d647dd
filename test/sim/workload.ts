import type { Random } from '../../src/testing/random.js'
import type { Actor } from './actor.js'
import type { Ask, ReadAsk } from './asks.js'
import { CHANNELS } from './listener.js'

// What the processes of a run do: a random mixture in which every kind of message, target and outcome occurs.

const METHODS = {
  quick: 6,
  work: 4,
  nested: 4,
  serial: 3,
  charge: 3,
  once: 3,
  fail: 1,
  hang: 1,
  leave: 0.15,
  busy: 0.3,
}
/** The primary has no process of its own to leave, and a block of it is a fault of the plan. */
const PRIMARY_METHODS = { ...METHODS, leave: 0, busy: 0 }
const TARGETS = { worker: 6, any: 4, primary: 2, nobody: 0.2 }
const THINGS = {
  call: 12,
  cast: 3,
  stream: 3,
  publish: 2,
  confirm: 2,
  callAll: 1,
  burst: 0.3,
  flood: 0.3,
  news: 0.5,
  toggle: 0.4,
}
/** Ms, with which a call has rather too little, enough, or more than it needs. */
const TIMEOUTS = [2, 10, 40, 150, 600, 2_500] as const
const IDLES = [5, 50, 60_000] as const
const MAX_DEPTH = 3
/** Calls, casts and messages that are made at once: more than a mailbox or a link holds. */
const BURST = 24
const FLOOD = 60
/** Few, so that many have the same. */
const KEYS = ['a', 'b', 'c', 'd'] as const
/** The share of what is too large to be written. */
const OVERSIZED = 0.15

/** One thing that a process does. */
export function doSomething(actor: Actor, random: Random, workers: number): void {
  const timeout = random.pick(TIMEOUTS) ?? 100
  const channel = random.pick(CHANNELS) ?? CHANNELS[0]
  if (!channel) return
  const news = { ack: false, ms: duration(random), fail: random.chance(0.1), timeout }
  switch (random.weighted(THINGS)) {
    case 'call':
      return quietly(actor.call(anyAsk(random, workers)))
    case 'cast':
      return actor.cast(anyTarget(random, workers), random.pick(['quick', 'work', 'serial']) ?? 'quick', news.ms)
    case 'stream':
      return quietly(actor.read(anyReading(random, workers)))
    case 'publish':
      return quietly(actor.publish(channel, news))
    case 'confirm':
      return quietly(actor.publish(channel, { ...news, ack: true }))
    case 'callAll':
      return quietly(actor.callAll(random.pick(['quick', 'serial', 'charge']) ?? 'quick', timeout))
    case 'burst': {
      const { to, timeout, ...some } = anyAsk(random, workers)
      const { method, key } = random.chance(0.5) ? { method: 'once', key: random.pick(KEYS) } : some
      for (let n = 0; n < BURST; n++) quietly(actor.call({ to, method, key, timeout, ms: duration(random) }))
      return
    }
    case 'flood': {
      const to = anyTarget(random, workers)
      for (let n = 0; n < FLOOD; n++) actor.cast(to, 'work', 1 + duration(random))
      return
    }
    case 'news': {
      for (let n = 0; n < BURST; n++) quietly(actor.publish(channel, { ...news, ack: random.chance(0.2) }))
      return
    }
    case 'toggle':
      return actor.toggleSubscription(channel)
  }
}

function anyAsk(random: Random, workers: number, depth = 1): Ask {
  const to = anyTarget(random, workers)
  const method = random.weighted(to === 'primary' ? PRIMARY_METHODS : METHODS) ?? 'quick'
  const nests = depth < MAX_DEPTH && (method === 'nested' || (method === 'serial' && random.chance(0.3)))
  const heavy = (method === 'quick' && random.chance(OVERSIZED)) || (method === 'fail' && random.chance(0.5))
  return {
    to,
    method,
    timeout: random.pick(TIMEOUTS) ?? 100,
    ms: method === 'quick' ? 0 : duration(random),
    ...(random.chance(0.1) && { abortAfter: random.between(0, 200) }),
    ...((method === 'once' || (method === 'fail' && random.chance(0.5))) && { key: random.pick(KEYS) }),
    oversized: heavy ? (random.chance(0.3) ? 'question' : 'answer') : undefined,
    ...(nests && {
      nested: random.chance(0.2) ? anyReading(random, workers) : anyAsk(random, workers, depth + 1),
    }),
  }
}

function anyReading(random: Random, workers: number): ReadAsk {
  const ms = duration(random) / 4
  const items = random.below(random.chance(0.2) ? 200 : 20)
  return {
    to: anyTarget(random, workers),
    method: 'count',
    ms,
    pause: random.chance(0.2) ? duration(random) : ms / 2,
    items,
    fails: random.chance(0.1),
    leaveAfter: random.chance(0.3) ? 1 + random.below(20) : Number.POSITIVE_INFINITY,
    timeout: random.pick(TIMEOUTS) ?? 100,
    idle: random.pick(IDLES) ?? 60_000,
    total: random.chance(0.5) ? random.pick(TIMEOUTS) : undefined,
    window: random.chance(0.3) ? 1 + random.below(8) : undefined,
    ...(random.chance(0.15) && { abortAfter: random.between(0, 200) }),
    oversized: random.chance(OVERSIZED) ? 'answer' : undefined,
  }
}

function anyTarget(random: Random, workers: number): number | 'any' | 'primary' {
  const kind = random.weighted(TARGETS)
  if (kind === 'any' || kind === 'primary') return kind
  return kind === 'nobody' ? workers + 5 : 1 + random.below(workers)
}

/** Mostly short. */
function duration(random: Random): number {
  const share = random.next()
  return share < 0.4 ? 0 : 200 * share * share
}

/** Its outcome is in the ledger. */
function quietly(promise: Promise<unknown>): void {
  promise.catch(() => {})
}
