import { batchText, type ReadBatch, writeBatch } from '../../src/protocol/codec.js'
import type { Batch, DownFrame, MessagingDownFrame, MessagingUpFrame, UpFrame } from '../../src/protocol/frames.js'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from '../../src/runtime/limits.js'
import { Members } from '../../src/runtime/messaging/members.js'
import { registerMethods } from '../../src/runtime/messaging/method-registry.js'
import { Peer } from '../../src/runtime/messaging/peer.js'
import { Router } from '../../src/runtime/messaging/router.js'
import { memoryLink } from '../../src/runtime/transports/memory.js'
import { FakeClock } from '../support/fake-clock.js'

/*
 * Where accepted frames end: a real router between two workers, and a worker's real messaging. Both have something under way,
 * so that an answer, an item or a credit may mean it. Whatever the codec lets pass, none of it may make them throw.
 */

const silent = { warn() {}, error() {} }
const options = { limits: DEFAULT_LIMITS, timeouts: DEFAULT_TIMEOUTS, logger: silent }
const methods = registerMethods({ echo: (value: unknown) => value, async *count() {} }, 'methods')

/** The incarnations of workers 1 and 2. */
const WORKERS = [5, 6] as const

/** Each frame as from a worker that has asked, and from one that is asked. */
export function giveRouter(frames: readonly UpFrame[]): void {
  const members = new Members({ calls: () => 0 })
  const router = new Router({ ...options, members, clock: new FakeClock(), overflow: () => {} })
  for (const [index, incarnation] of [0, ...WORKERS].entries()) {
    const [link] = memoryLink<MessagingDownFrame, never>({ schedule: () => {} })
    router.attach({ id: index, incarnation }, link)
    if (index === 0) continue
    const member = { id: index, incarnation, pid: 1, current: true, calls: 0, connections: 0, methods: {} }
    members.apply({ member: { ...member, state: 'ready' }, gone: false, removed: false })
  }
  router.membersChanged()
  // Routes 1 and 2, and a receipt.
  router.receive(5, { kind: 'subscribe', channel: 'news', ref: 1 })
  router.receive(5, { kind: 'call', id: 1, to: 2, method: 'echo', payload: undefined })
  router.receive(5, {
    kind: 'call',
    id: 2,
    to: 2,
    method: 'count',
    payload: undefined,
    stream: { items: 4, bytes: 1_024 },
  })
  router.receive(6, { kind: 'publish', channel: 'news', payload: undefined, self: true, ref: 1 })
  // What is no message's (connections, signs of life) goes elsewhere, and is left alone there as here.
  for (const frame of frames) for (const incarnation of WORKERS) router.receive(incarnation, frame as MessagingUpFrame)
}

/** To a worker that waits for call 1, reads stream 2, and runs nothing at once. */
export function givePeer(frames: readonly DownFrame[]): void {
  const [link] = memoryLink<MessagingUpFrame, never>({ schedule: () => {} })
  const peer = new Peer({
    ...options,
    self: { id: 1, incarnation: 5 },
    methods,
    // What runs goes on when this look at it is over.
    concurrency: 0,
    clock: new FakeClock(),
    link: {
      send: (frame) => link.send(frame),
      isFull: () => false,
      castFlushed: () => undefined,
      publishFlushed: () => undefined,
    },
  })
  peer.caller.call({ to: 2, method: 'echo', payload: undefined, timeout: 1_000 }).catch(() => {})
  peer.streams.open({
    to: 2,
    method: 'count',
    payload: () => undefined,
    timeout: 1_000,
    idle: 1_000,
    total: undefined,
    window: undefined,
  })
  for (const frame of frames) peer.receive(frame as MessagingDownFrame)
}

/** What was accepted is accepted again as the same, when it is sent on. */
export function readAgain<F extends { readonly kind: string }>(
  frames: readonly F[],
  read: (batch: Batch<unknown>) => ReadBatch<F>,
): string | undefined {
  const text = batchText(writeBatch(frames))
  const { frames: again, malformed } = read(JSON.parse(text) as Batch<unknown>)
  if (malformed > 0) return `sent on, ${malformed} of its frames are malformed`
  return batchText(writeBatch(again)) === text ? undefined : 'sent on, its frames are others'
}
