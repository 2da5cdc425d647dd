import { BURST } from './bursts.mjs'
import type { Job } from './job.mjs'
import { ITEMS } from './orders.mjs'

/** Whom Troupe is measured against in one shape, and what it is held to. Without a number it is for information. */
export interface Rival {
  readonly name: string
  readonly atLeast?: number
  readonly atMost?: number
}

/** One kind of work. Everybody does it in the order of the list: who is compared is measured close to its rival. */
export interface MessageShape extends Omit<Job, 'program' | 'setup'> {
  readonly title: string
  readonly operation: 'call' | 'message' | 'item'
  /** Operations of one call: a burst is many messages, a stream many items. */
  readonly each: number
  /** Calls, not operations. */
  readonly warmUp: number
  readonly rivals: readonly Rival[]
}

const CALL = { operation: 'call', receivers: 0, each: 1 } as const

/** Of a plain order, so that it is about 100 bytes, 10 kB and 1 MB of JSON. */
const LINES = { '100 B': 2, '10 kB': 311, '1 MB': 31_250 } as const

const MEGABYTE = 1_000_000

/** Node 24 writes a message of its own faster than Node 20, and so do we: there the target is higher. */
const OF_RAW = Number(process.versions.node.split('.')[0]) >= 24 ? 2 : 1.5

const info = (...names: string[]): Rival[] => names.map((name) => ({ name }))

const calls: readonly MessageShape[] = [
  {
    title: 'Primary to worker, 256 in flight, 100 B',
    route: 'primary to worker',
    kind: 'plain',
    size: LINES['100 B'],
    inFlight: 256,
    warmUp: 100_000,
    ...CALL,
    rivals: [
      { name: 'process.send', atLeast: OF_RAW },
      { name: 'birpc', atLeast: 3 },
      { name: 'comedy', atLeast: 5 },
      { name: 'erlang', atLeast: 6 },
      ...info('process.send, advanced', 'unix socket', 'moleculer', 'nats', 'grpc'),
      ...info('workerpool', 'tinypool', 'jest-worker'),
    ],
  },
  {
    title: 'Primary to worker, one at a time, 100 B',
    route: 'primary to worker',
    kind: 'plain',
    size: LINES['100 B'],
    inFlight: 1,
    warmUp: 40_000,
    ...CALL,
    rivals: [
      { name: 'process.send', atMost: 1.15 },
      ...info('unix socket', 'birpc', 'comedy', 'erlang', 'moleculer', 'nats', 'grpc'),
      ...info('workerpool', 'tinypool', 'jest-worker'),
    ],
  },
  {
    title: 'Primary to worker, 16 in flight, 100 B',
    route: 'primary to worker',
    kind: 'plain',
    size: LINES['100 B'],
    inFlight: 16,
    warmUp: 100_000,
    ...CALL,
    rivals: info('process.send', 'unix socket', 'birpc'),
  },
  {
    title: 'Primary to worker, 4 096 in flight, 100 B',
    route: 'primary to worker',
    kind: 'plain',
    size: LINES['100 B'],
    inFlight: 4_096,
    warmUp: 100_000,
    ...CALL,
    rivals: info('process.send', 'unix socket', 'birpc'),
  },
  {
    title: 'Worker to primary, 256 in flight, 100 B',
    route: 'worker to primary',
    kind: 'plain',
    size: LINES['100 B'],
    inFlight: 256,
    warmUp: 100_000,
    ...CALL,
    rivals: info('process.send'),
  },
  {
    title: 'Worker to worker, 256 in flight, 100 B',
    route: 'worker to worker',
    kind: 'plain',
    size: LINES['100 B'],
    inFlight: 256,
    warmUp: 400_000,
    ...CALL,
    rivals: [
      { name: 'process.send to the primary', atLeast: 1.5 },
      ...info('process.send through the primary', 'unix socket'),
    ],
  },
  {
    title: 'Worker to worker, one at a time, 100 B',
    route: 'worker to worker',
    kind: 'plain',
    size: LINES['100 B'],
    inFlight: 1,
    warmUp: 40_000,
    ...CALL,
    rivals: [{ name: 'unix socket', atMost: 1.25 }, ...info('process.send through the primary')],
  },
  {
    title: 'Primary to worker, 16 in flight, 10 kB',
    route: 'primary to worker',
    kind: 'plain',
    size: LINES['10 kB'],
    inFlight: 16,
    warmUp: 15_000,
    ...CALL,
    rivals: [
      { name: 'process.send', atLeast: 0.9 },
      { name: 'process.send, superjson', atLeast: 4 },
      ...info('process.send, advanced', 'unix socket', 'birpc'),
    ],
  },
  {
    title: 'Primary to worker, 2 in flight, 1 MB',
    route: 'primary to worker',
    kind: 'plain',
    size: LINES['1 MB'],
    inFlight: 2,
    warmUp: 60,
    ...CALL,
    rivals: info('process.send', 'process.send, advanced', 'unix socket'),
  },
  {
    title: 'Worker to worker, 2 in flight, 1 MB of binary',
    route: 'worker to worker',
    kind: 'binary',
    size: MEGABYTE,
    inFlight: 2,
    warmUp: 8_000,
    ...CALL,
    rivals: [{ name: 'unix socket', atLeast: 0.7 }, ...info('process.send, advanced')],
  },
  {
    title: 'Primary to worker, 256 in flight, Date, Map and BigInt',
    route: 'primary to worker',
    kind: 'rich',
    size: 1,
    inFlight: 256,
    warmUp: 50_000,
    ...CALL,
    rivals: info('process.send, superjson', 'process.send, advanced'),
  },
]

/** From one worker to so many others. Bursts so that at most a few hundred messages are on their way. */
const broadcast = (receivers: number, rivals: readonly Rival[]): MessageShape => ({
  title: `Broadcast to ${receivers} workers, 100 B`,
  operation: 'message',
  route: 'worker to worker',
  kind: 'burst',
  size: 1,
  inFlight: 4,
  receivers,
  each: BURST,
  warmUp: 1_600,
  rivals,
})

const acknowledged = (receivers: number, rivals: readonly Rival[]): MessageShape => ({
  title: `Broadcast to ${receivers} workers, acknowledged by each, 16 in flight, 100 B`,
  operation: 'message',
  route: 'worker to worker',
  kind: 'publish',
  size: 1,
  inFlight: 16,
  receivers,
  each: 1,
  warmUp: 20_000,
  rivals,
})

const streams: MessageShape = {
  title: 'Stream, worker to primary, 100 B an item',
  operation: 'item',
  route: 'primary to worker',
  kind: 'stream',
  size: 1,
  inFlight: 1,
  receivers: 0,
  each: ITEMS,
  warmUp: 100,
  rivals: info('process.send, stream', 'grpc'),
}

const ADAPTERS = info('socket.io adapter', 'redis')

export const SHAPES: readonly MessageShape[] = [
  ...calls,
  broadcast(8, [
    { name: 'socket.io adapter', atLeast: 4 },
    { name: 'redis', atLeast: 3 },
    { name: 'process.send, broadcast' },
  ]),
  ...[2, 4, 16].map((receivers) => broadcast(receivers, ADAPTERS)),
  acknowledged(8, info('socket.io adapter', 'process.send, broadcast')),
  ...[2, 4, 16].map((receivers) => acknowledged(receivers, info('socket.io adapter'))),
  streams,
]
