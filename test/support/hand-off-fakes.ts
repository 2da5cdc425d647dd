import type { ConnectionFrame, RefusedFrame } from '../../src/protocol/frames.js'
import type { ProcessRef } from '../../src/protocol/ids.js'
import { type Balance, readBalance } from '../../src/runtime/connections/balance.js'
import { HandOffs, type HandOffsOptions } from '../../src/runtime/connections/hand-offs.js'
import { Listener } from '../../src/runtime/connections/listener.js'
import { DropLog } from '../../src/runtime/drop-log.js'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type Limits, type Timeouts } from '../../src/runtime/limits.js'
import { FakeClock } from './fake-clock.js'
import { FakeLogger } from './fake-logger.js'
import { FakeConnection, FakeListening } from './fake-sockets.js'

/** Said to a client that no worker gets. */
export const AWAY = 'turned away'

interface Sent {
  readonly to: number
  readonly frame: ConnectionFrame
  readonly handle: unknown
}

/** In tests a worker answers by the connection's number, and means the last offer of it. */
class AnsweredHandOffs extends HandOffs {
  readonly #sent: readonly Sent[]

  constructor(sent: readonly Sent[], options: HandOffsOptions) {
    super(options)
    this.#sent = sent
  }

  override acknowledged(from: number, connection: number): void {
    super.acknowledged(from, this.#offerOf(from, connection))
  }

  override refused(from: number, connection: number, reason: RefusedFrame['reason']): void {
    super.refused(from, this.#offerOf(from, connection), reason)
  }

  /** The same answer to an offer, whatever has become of the connection since. */
  refusedOffer(from: number, offer: number, reason: RefusedFrame['reason']): void {
    super.refused(from, offer, reason)
  }

  #offerOf(from: number, connection: number): number {
    return this.#sent.findLast(({ to, frame }) => to === from && frame.connection === connection)?.frame.id ?? 0
  }
}

/** `HandOffs` between a test that plays the workers and one that plays the clients. Worker n is in its first incarnation, n. */
export function setUpHandOffs(limits: Partial<Limits> = {}, timeouts: Partial<Timeouts> = {}) {
  const clock = new FakeClock()
  const logger = new FakeLogger()
  /** Everything that was sent to a worker, ever. */
  const sent: Sent[] = []
  const fenced: ProcessRef[] = []
  const handOffs = new AnsweredHandOffs(sent, {
    clock,
    random: () => 0.5,
    limits: { ...DEFAULT_LIMITS, ...limits },
    timeouts: { ...DEFAULT_TIMEOUTS, ...timeouts },
    drops: new DropLog(logger, clock),
    send: (to, frame, handle) => void sent.push({ to, frame, handle }),
    fence: (ref) => void fenced.push(ref),
    turnAway: ({ connection }) => void (connection as FakeConnection).ends.push(AWAY),
  })
  let lastId = 0
  const arrive = (
    listener: Listener,
    { key, head, peer }: { key?: string; head?: string; peer?: { address: string; port: number; family: string } } = {},
  ) => {
    const connection = new FakeConnection()
    const id = ++lastId
    handOffs.add({
      id,
      listener,
      connection,
      client: { remoteAddress: '192.0.2.1', key },
      head: head === undefined ? undefined : Buffer.from(head, 'latin1'),
      peer,
      state: { kind: 'new' },
    })
    return { id, connection }
  }
  /** What was sent since this was asked last, as "connection -> worker". */
  let seen = 0
  const news = (): string[] => {
    const fresh = sent.slice(seen)
    seen = sent.length
    return fresh.map(({ to, frame }) => `${frame.connection} -> ${to}`)
  }
  return { handOffs, clock, logger, sent, fenced, arrive, news }
}

export const ref = (id: number, incarnation = id): ProcessRef => ({ id, incarnation })

let lastListener = 0

/** A listener with a seat for each of these workers. */
export function listenerOf(balance: Balance, workers: readonly number[] = []): Listener {
  const id = ++lastListener
  const listener = new Listener({
    id,
    key: String(id),
    name: '80',
    plan: readBalance(balance)('80'),
    speaks: 'http',
    socket: new FakeListening({ kind: 'listen', ref: 1, index: 0, speaks: 'http', port: 80 }, true, {
      accepted: () => {},
      failed: () => {},
    }),
    data: null,
    shared: undefined,
  })
  for (const worker of workers) seat(listener, worker)
  return listener
}

export function seat(listener: Listener, worker: number, incarnation = worker): void {
  listener.seats.set(incarnation, { ref: ref(worker, incarnation), query: 1, live: 0, offered: 0, full: false })
}
