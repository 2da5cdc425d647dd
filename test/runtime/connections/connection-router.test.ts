import { describe, expect, test } from 'vitest'
import type { BoundFrame, ConnectionDownFrame, ListenFrame } from '../../../src/protocol/frames.js'
import { type Balance, readBalance } from '../../../src/runtime/connections/balance.js'
import { ConnectionRouter } from '../../../src/runtime/connections/connection-router.js'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type Limits, type Timeouts } from '../../../src/runtime/limits.js'
import { FakeClock } from '../../support/fake-clock.js'
import { FakeLogger } from '../../support/fake-logger.js'
import { FakeConnection, type FakeListening, FakeSockets } from '../../support/fake-sockets.js'
import { ref } from '../../support/hand-off-fakes.js'

const TURNS = { policy: 'round-robin', accept: 'primary' } as const
const status = (text: string | undefined): string | undefined => text?.split('\r\n')[0]

/** One process, as far as the router sees it. */
class FakeWorker {
  readonly id: number
  readonly incarnation: number
  readonly received: { readonly frame: ConnectionDownFrame; readonly handle: unknown }[] = []
  readonly #router: ConnectionRouter
  #lastRef = 0
  #seen = 0

  constructor(router: ConnectionRouter, id: number, incarnation = id) {
    this.#router = router
    this.id = id
    this.incarnation = incarnation
    const push = (frame: ConnectionDownFrame, handle?: unknown): void => void this.received.push({ frame, handle })
    router.attach(ref(id, incarnation), {
      send: (frame) => push(frame),
      sendNow: (frame, { handle } = {}) => push(frame, handle),
    })
  }

  /** Its server wants to listen; gives the answer. */
  listen(request: Partial<ListenFrame> = {}): BoundFrame & { readonly handle: unknown } {
    const ref = ++this.#lastRef
    this.#router.receive(this.incarnation, {
      kind: 'listen',
      ref,
      index: 0,
      port: 80,
      addressType: 4,
      speaks: 'http',
      data: null,
      ...request,
    })
    const answer = this.received.find(({ frame }) => frame.kind === 'bound' && frame.ref === ref)
    return { ...(answer?.frame as BoundFrame), handle: answer?.handle }
  }

  unlisten(listener: number | undefined): void {
    this.#router.receive(this.incarnation, { kind: 'unlisten', listener: listener ?? 0 })
  }

  open(open = true): void {
    this.#router.setStanding(ref(this.id, this.incarnation), open ? 'open' : 'leaving')
  }

  die(): void {
    this.#router.detach(ref(this.id, this.incarnation))
  }

  live(
    listener: number | undefined,
    live: number,
    room: 'open' | 'level' | 'full' = 'open',
    more: { strays?: number; exhausted?: number } = {},
  ): void {
    this.#router.receive(this.incarnation, { kind: 'live', listener: listener ?? 0, live, room, ...more })
  }

  take(connection: number): void {
    this.#router.receive(this.incarnation, { kind: 'taken', id: this.#offerOf(connection) })
  }

  refuse(connection: number, reason: 'closed' | 'full' | 'lost'): void {
    this.#router.receive(this.incarnation, { kind: 'refused', id: this.#offerOf(connection), reason })
  }

  #offerOf(connection: number): number {
    const frames = this.received.flatMap(({ frame }) => (frame.kind === 'connection' ? [frame] : []))
    return frames.findLast((frame) => frame.connection === connection)?.id ?? 0
  }

  /** What came since this was asked last, but for answers to `listen`. */
  news(): ConnectionDownFrame[] {
    const fresh = this.received.slice(this.#seen)
    this.#seen = this.received.length
    return fresh.map(({ frame }) => frame).filter(({ kind }) => kind !== 'bound')
  }

  /** The connections handed to it since this was asked last. */
  connections(): number[] {
    return this.news().flatMap((frame) => (frame.kind === 'connection' ? [frame.connection] : []))
  }
}

function setUp(
  balance?: Balance,
  { limits = {}, timeouts = {} }: { limits?: Partial<Limits>; timeouts?: Partial<Timeouts> } = {},
) {
  const clock = new FakeClock()
  const logger = new FakeLogger()
  const sockets = new FakeSockets()
  const fenced: unknown[] = []
  const router = new ConnectionRouter({
    plans: readBalance(balance),
    sockets,
    clock,
    random: () => 0.5,
    limits: { ...DEFAULT_LIMITS, ...limits },
    timeouts: { ...DEFAULT_TIMEOUTS, ...timeouts },
    logger,
    fence: (ref) => void fenced.push(ref),
  })
  const worker = (id: number, incarnation = id): FakeWorker => new FakeWorker(router, id, incarnation)
  /** A worker that is open and listens. */
  const serving = (id: number, incarnation = id): FakeWorker & { readonly listener: number } => {
    const started = worker(id, incarnation)
    const { listener = 0 } = started.listen()
    started.open()
    started.news()
    return Object.assign(started, { listener })
  }
  const socket = (index = 0): FakeListening => sockets.listening[index] as FakeListening
  return { router, clock, logger, sockets, fenced, worker, serving, socket }
}

describe('a server that listens', () => {
  test('gets the listening socket where workers accept for themselves', () => {
    const { worker, socket } = setUp()
    expect(worker(1).listen({ port: 80, data: 'keys' })).toEqual({
      kind: 'bound',
      ref: 1,
      listener: 1,
      path: 'shared',
      sockname: socket().sockname,
      data: 'keys',
      handle: socket().handle,
    })
  })

  test('gets no socket where its connections are handed over', () => {
    const { worker, socket } = setUp(TURNS)
    expect(worker(1).listen()).toEqual({
      kind: 'bound',
      ref: 1,
      listener: 1,
      path: 'hand-off',
      sockname: socket().sockname,
      data: null,
      handle: undefined,
    })
  })

  test('has its connections handed over where no process can pause accepting', () => {
    const { sockets, worker, socket } = setUp()
    sockets.pausable = false
    const first = worker(1)
    expect(first.listen()).toMatchObject({ path: 'hand-off', handle: undefined })
    first.open()
    expect(socket().accepting).toBe(true)
    socket().connect()
    expect(first.connections()).toHaveLength(1)
  })

  test('learns how its clients are kept with their workers', () => {
    const { worker } = setUp({ cookie: 'sid', issue: true })
    expect(worker(1).listen().sticky).toEqual({ by: { cookie: 'sid' }, issue: true, perRequest: false })
  })

  test('shares the socket, and what the first brought, with those in other workers', () => {
    const { sockets, worker } = setUp()
    const first = worker(1).listen({ data: 'keys of the first' })
    const second = worker(2).listen({ data: 'keys of the second' })
    expect(sockets.listening).toHaveLength(1)
    expect(second).toEqual(first)
  })

  test.each<[string, Partial<ListenFrame>]>([
    ['port', { port: 81 }],
    ['address', { address: '127.0.0.1' }],
    ['family', { addressType: 6 }],
    ['descriptor', { fd: 3 }],
  ])('shares none with those that ask for another %s', (_, other) => {
    const { sockets, worker } = setUp()
    const answer = worker(1).listen()
    expect(worker(2).listen(other).listener).not.toBe(answer.listener)
    expect(sockets.listening).toHaveLength(2)
  })

  test('shares port 0 with those that come at the same place in other workers', () => {
    const { sockets, worker } = setUp()
    const [one, two] = [worker(1), worker(2)]
    const listeners = [one, one, two, two].map((who, order) => who.listen({ port: 0, index: order % 2 }).listener)
    expect(sockets.listening).toHaveLength(2)
    expect(listeners).toEqual([listeners[0], listeners[1], listeners[0], listeners[1]])
  })

  test('does not tell apart by order what asks for a port', () => {
    const { sockets, worker } = setUp()
    worker(1).listen({ index: 0 })
    worker(2).listen({ index: 1 })
    expect(sockets.listening).toHaveLength(1)
  })

  test('is told why it cannot', () => {
    const { sockets, worker } = setUp()
    sockets.errno = -98
    expect(worker(1).listen()).toEqual({ kind: 'bound', ref: 1, errno: -98, handle: undefined })
    sockets.errno = undefined
    expect(worker(2).listen()).toMatchObject({ listener: 1 })
  })

  test('is told what the system says when its own process listens there already', () => {
    const { sockets, worker } = setUp()
    const first = worker(1)
    first.listen()
    sockets.errno = -98
    expect(first.listen()).toMatchObject({ errno: -98 })
  })

  test('has no name on a unix path', () => {
    const { worker } = setUp()
    expect(worker(1).listen({ port: -1, address: '/run/http.sock', addressType: -1 })).not.toHaveProperty('sockname')
  })

  test('is nobody whom the cluster does not know', () => {
    const { router, sockets } = setUp()
    router.receive(9, { kind: 'listen', ref: 1, index: 0, port: 80, speaks: 'http' })
    router.receive(9, { kind: 'unlisten', listener: 1 })
    router.receive(9, { kind: 'live', listener: 1, live: 1, room: 'open' })
    router.receive(9, { kind: 'taken', id: 1 })
    router.setStanding(ref(9), 'open')
    router.handleLost(9)
    router.detach(ref(9))
    expect(sockets.listening).toEqual([])
  })
})

describe('the policy', () => {
  test('is that of the port, or of the path', () => {
    const { worker } = setUp({ default: 'random', ports: { 81: 'os', '/run/http.sock': { header: 'x-user' } } })
    const paths = [{ port: 80 }, { port: 81 }, { port: -1, address: '/run/http.sock' }, { fd: 3, port: null }].map(
      (request) => {
        const { path, sticky } = worker(1).listen(request)
        return sticky ? 'sticky' : path
      },
    )
    expect(paths).toEqual(['hand-off', 'shared', 'sticky', 'hand-off'])
  })

  test.each([
    ['tls', 'TLS'],
    ['http2', 'HTTP/2'],
    ['bytes', 'no HTTP'],
  ] as const)(
    "is 'ip-hash' where bytes are needed that nobody can read (%s), with a warning for each port",
    (speaks, name) => {
      const { logger, worker, socket } = setUp({ cookie: 'sid' })
      const [one, two] = [worker(1), worker(2)]
      expect(one.listen({ port: 443, speaks }).sticky).toBeUndefined()
      two.listen({ port: 443, speaks })
      expect(logger.lines).toEqual([
        `warning: 443 speaks ${name}, so that no request can be read there to choose a worker by: 'ip-hash' is used instead`,
      ])
      one.open()
      two.open()
      for (let count = 0; count < 3; count++) socket().connect()
      const counts = [one.connections().length, two.connections().length]
      expect(counts.sort()).toEqual([0, 3])
    },
  )
})

describe('where workers accept for themselves', () => {
  test('the primary accepts until one of them is open, and again when none is', () => {
    const { worker, socket } = setUp()
    const [one, two] = [worker(1), worker(2)]
    one.listen()
    two.listen()
    expect(socket().accepting).toBe(true)
    one.open()
    two.open()
    expect(socket().accepting).toBe(false)
    one.die()
    expect(socket().accepting).toBe(false)
    two.open(false)
    expect(socket().accepting).toBe(true)
  })

  test('what the primary has accepted goes to the first that opens', () => {
    const { router, worker, socket } = setUp()
    const one = worker(1)
    one.listen()
    const connections = [socket().connect(), socket().connect()]
    expect(router.stats()).toMatchObject({ waiting: 2, offered: 0 })
    one.open()
    const ids = one.connections()
    expect(ids).toHaveLength(2)
    for (const id of ids) one.take(id)
    expect(connections.map(({ ends }) => ends)).toEqual([[''], ['']])
    expect(router.stats()).toMatchObject({ waiting: 0, offered: 0, handedOver: 2, turnedAway: 0 })
  })

  test('workers are told their level when they open, and to stop when they close', () => {
    const { worker } = setUp()
    const one = worker(1)
    const { listener } = one.listen()
    expect(one.news()).toEqual([])
    one.open()
    expect(one.news()).toEqual([{ kind: 'level', listener, level: 2 }])
    one.open(true)
    one.open(false)
    expect(one.news()).toEqual([{ kind: 'level', listener, level: 0 }])
  })

  test('a server that begins to listen later is told at once', () => {
    const { worker } = setUp()
    const one = worker(1)
    one.open()
    const { listener } = one.listen()
    expect(one.news()).toEqual([{ kind: 'level', listener, level: 2 }])
  })

  test('levels follow what workers report', () => {
    const { serving } = setUp()
    const [one, two] = [serving(1), serving(2)]
    one.live(one.listener, 2, 'level')
    two.live(two.listener, 2, 'level')
    expect(one.news().at(-1)).toMatchObject({ kind: 'level', level: 4 })
  })

  test("the level is none with 'os'", () => {
    const { worker } = setUp('os')
    const one = worker(1)
    const { listener } = one.listen()
    one.open()
    expect(one.news()).toEqual([{ kind: 'level', listener, level: null }])
  })
})

describe('where the primary accepts', () => {
  test('it always does', () => {
    const { worker, socket } = setUp(TURNS)
    const one = worker(1)
    one.listen()
    expect(socket().accepting).toBe(true)
    one.open()
    expect(socket().accepting).toBe(true)
    one.die()
    expect(socket().accepting).toBe(true)
  })

  test('each connection goes to one worker, which is not told of levels', () => {
    const { serving, socket } = setUp(TURNS)
    const [one, two] = [serving(1), serving(2)]
    for (let count = 0; count < 4; count++) socket().connect()
    expect([one.news(), two.news()].map((news) => news.map(({ kind }) => kind))).toEqual([
      ['connection', 'connection'],
      ['connection', 'connection'],
    ])
  })

  test('a function is told of workers by ascending id, whatever the order in which they came', () => {
    const seen: unknown[] = []
    const { serving, socket } = setUp((connection, workers) => {
      seen.push(connection, workers)
      return 3
    })
    const [three, one] = [serving(3), serving(1)]
    const two = serving(2, 7)
    one.live(one.listener, 5)
    two.live(two.listener, 6)
    socket().connect()
    expect(seen).toEqual([
      { remoteAddress: '192.0.2.1', remotePort: 4711, localAddress: '198.51.100.1', localPort: 80 },
      [
        { id: 1, connections: 5 },
        { id: 2, connections: 6 },
        { id: 3, connections: 0 },
      ],
    ])
    expect(three.connections()).toHaveLength(1)
  })

  test('it goes by how many connections workers say they have', () => {
    const { serving, socket } = setUp({ policy: 'least-connections', accept: 'primary' })
    const [one, two] = [serving(1), serving(2)]
    one.live(one.listener, 3)
    for (let count = 0; count < 3; count++) socket().connect()
    expect([one.connections().length, two.connections().length]).toEqual([0, 3])
    two.live(two.listener, 9)
    socket().connect()
    expect(one.connections()).toHaveLength(1)
  })

  test('it gives what waits to a worker that begins to listen when it is open already', () => {
    const { serving, worker, socket } = setUp(TURNS)
    const one = serving(1)
    const two = worker(2)
    two.open()
    one.die()
    socket().connect()
    two.listen()
    expect(two.connections()).toHaveLength(1)
  })

  test('it leaves a worker alone that is full, until it says that it is not', () => {
    const { router, serving, socket } = setUp(TURNS)
    const one = serving(1)
    one.live(one.listener, 1, 'full')
    socket().connect()
    expect(router.stats().waiting).toBe(1)
    one.live(one.listener, 0)
    expect(one.connections()).toHaveLength(1)
  })

  test('it gives a connection that was refused to another', () => {
    const { router, serving, socket } = setUp(TURNS)
    const [one, two] = [serving(1), serving(2)]
    socket().connect()
    const [id = 0] = one.connections()
    one.refuse(id, 'full')
    expect(two.connections()).toEqual([id])
    expect(router.stats()).toMatchObject({ rerouted: 1, offered: 1 })
  })

  test('it gives the connections of a dead worker to another, and counts nothing twice', () => {
    const { router, serving, socket } = setUp(TURNS)
    const [one, two] = [serving(1), serving(2)]
    const connection = socket().connect()
    const ids = one.connections()
    one.die()
    expect(two.connections()).toEqual(ids)
    two.take(ids[0]!)
    expect(connection.ends).toEqual([''])
    expect(router.stats()).toMatchObject({ rerouted: 1, offered: 0, handedOver: 1 })
  })

  test('it asks a process that did not get a socket which one', () => {
    const { router, serving, socket } = setUp(TURNS)
    const one = serving(1)
    socket().connect()
    socket().connect()
    const ids = one.connections()
    router.handleLost(1)
    expect(one.news()).toEqual([{ kind: 'awaited', ids, bounds: [] }])
  })

  test('it asks, too, whether a listening socket has come', () => {
    const { router, worker } = setUp({ ports: { 81: TURNS } })
    const one = worker(1)
    const { ref: query, listener } = one.listen()
    one.listen({ port: 81 })
    worker(2).listen()
    one.news()
    router.handleLost(1)
    expect(one.news()).toEqual([{ kind: 'awaited', ids: [], bounds: [{ ref: query, listener }] }])
  })

  test('it kills a worker that takes nothing, and says so', async () => {
    const { clock, fenced, logger, serving, socket } = setUp(TURNS, { timeouts: { handoff: 1_000 } })
    serving(1)
    socket().connect()
    await clock.advance(1_250)
    expect(fenced).toEqual([ref(1)])
    expect(logger.lines).toEqual([
      'warning: worker 1 has not taken a connection for 1000 ms (`timeouts.handoff`): it is killed, and its connections go to others',
    ])
  })
})

describe('a listening socket', () => {
  test('is closed when the program has closed its server in every worker', () => {
    const { sockets, serving, socket } = setUp()
    const [one, two] = [serving(1), serving(2)]
    one.unlisten(one.listener)
    expect(socket().closed).toBe(0)
    two.unlisten(two.listener)
    expect(socket().closed).toBe(1)
    one.listen()
    expect(sockets.listening).toHaveLength(2)
  })

  test('is closed too when a worker closes its server before it is ready: it only looked for a free port', () => {
    const { worker, socket } = setUp()
    const one = worker(1)
    const { listener } = one.listen({ port: 0 })
    one.unlisten(listener)
    expect(socket().closed).toBe(1)
  })

  test('is kept when workers die', () => {
    const { sockets, serving, socket } = setUp()
    serving(1).die()
    expect(socket()).toMatchObject({ closed: 0, accepting: true })
    serving(1, 2)
    expect(sockets.listening).toHaveLength(1)
    expect(socket().accepting).toBe(false)
  })

  test('is kept when a worker closes its server because it drains', () => {
    const { serving, socket } = setUp()
    const one = serving(1)
    one.open(false)
    one.unlisten(one.listener)
    expect(socket()).toMatchObject({ closed: 0, accepting: true })
  })

  test('is kept while a worker that listened there is being replaced, whatever the others close', () => {
    const { serving, socket } = setUp()
    const [one, two] = [serving(1), serving(2)]
    two.die()
    one.unlisten(one.listener)
    expect(socket().closed).toBe(0)
  })

  test('is kept when a reload fails while the worker that it was to replace is away', () => {
    const { serving, worker, socket } = setUp()
    serving(1).die()
    const successor = worker(1, 2)
    const { listener } = successor.listen()
    successor.open(false)
    successor.unlisten(listener)
    expect(socket().closed).toBe(0)
  })

  test('is closed when a successor serves and does not listen there: its name may have had a pid in it', () => {
    const { worker, serving, socket, sockets } = setUp()
    serving(1).die()
    const successor = worker(1, 2)
    successor.listen({ port: 81 })
    successor.open()
    expect(sockets.listening).toHaveLength(2)
    expect(socket().closed).toBe(1)
  })

  test('is closed when its last worker has drained, whose successor listens elsewhere', () => {
    const { worker, serving, socket } = setUp()
    const old = serving(1)
    const successor = worker(1, 2)
    successor.listen({ port: 81 })
    successor.open()
    expect(socket().closed).toBe(0)
    old.die()
    expect(socket().closed).toBe(1)
  })

  test('is closed when the only worker that listened there is not to come again', () => {
    const { router, serving, socket } = setUp()
    const [one, two] = [serving(1), serving(2)]
    const { listener: own } = two.listen({ port: 81 })
    two.open(false)
    two.unlisten(own)
    two.die()
    expect([socket(0).closed, socket(1).closed]).toEqual([0, 0])
    router.forget(2)
    expect([socket(0).closed, socket(1).closed]).toEqual([0, 1])
    one.die()
    expect(socket(0).closed).toBe(0)
  })

  test('has one worker with an id: a successor that opens takes the place of its predecessor in the same step', () => {
    const { serving, socket } = setUp(TURNS)
    const old = serving(1)
    const successor = serving(1, 2)
    socket().connect()
    socket().connect()
    expect([old.connections().length, successor.connections().length]).toEqual([0, 2])
  })

  test('is closed once', () => {
    const { router, serving, socket } = setUp()
    const one = serving(1)
    one.unlisten(one.listener)
    one.unlisten(one.listener)
    router.close()
    expect(socket().closed).toBe(1)
  })

  test('that is closed turns away what waits and what is read from', () => {
    const { serving, worker, socket } = setUp({ header: 'x-user' })
    const one = worker(1)
    const { listener } = one.listen()
    const [waiting, read] = [socket().connect(), socket().connect()]
    waiting.send('GET / HTTP/1.1\r\n\r\n')
    one.unlisten(listener)
    expect([waiting, read].map(({ ends }) => ends.map(status))).toEqual([
      ['HTTP/1.1 503 Service Unavailable'],
      ['HTTP/1.1 503 Service Unavailable'],
    ])
    serving(2)
  })

  test('that is closed lets nobody wait who comes back from a worker', () => {
    const { router, serving, socket } = setUp(TURNS)
    const one = serving(1)
    const connection = socket().connect()
    const [id = 0] = one.connections()
    one.unlisten(one.listener)
    one.refuse(id, 'closed')
    expect(connection.ends.map(status)).toEqual(['HTTP/1.1 503 Service Unavailable'])
    expect(router.stats()).toMatchObject({ waiting: 0, offered: 0, turnedAway: 1 })
  })
})

describe('the candidates of a sticky port', () => {
  const candidates = (worker: FakeWorker): unknown[] =>
    worker.news().flatMap((frame) => (frame.kind === 'candidates' ? [frame.ids] : []))

  test('are told to all who listen there, whenever they change', () => {
    const { worker, serving } = setUp({ cookie: 'sid' })
    const one = serving(1)
    const two = worker(2)
    const { listener } = two.listen()
    expect([candidates(one).at(-1), candidates(two).at(-1)]).toEqual([[1], [1]])
    two.open()
    expect([candidates(one).at(-1), candidates(two).at(-1)]).toEqual([
      [1, 2],
      [1, 2],
    ])
    one.open(false)
    expect([candidates(one).at(-1), candidates(two).at(-1)]).toEqual([[2], [2]])
    const three = serving(3)
    two.die()
    expect([candidates(one).at(-1), candidates(three).at(-1)]).toEqual([[3], [3]])
    three.unlisten(listener)
    expect(candidates(one).at(-1)).toEqual([])
  })

  test('are told of that port alone', () => {
    const { worker } = setUp({ ports: { 80: { cookie: 'sid' } } })
    const one = worker(1)
    const { listener } = one.listen()
    one.listen({ port: 81 })
    one.open()
    expect(one.news().filter(({ kind }) => kind === 'candidates')).toEqual([
      { kind: 'candidates', listener, ids: [] },
      { kind: 'candidates', listener, ids: [1] },
    ])
  })
})

describe('while no worker is ready', () => {
  test('connections wait, as many as `limits.connections`, and the others are told to come back', () => {
    const { router, logger, worker, socket } = setUp(TURNS, { limits: { connections: 2 } })
    worker(1).listen()
    const connections = [1, 2, 3, 4].map(() => socket().connect())
    expect(connections.map(({ ends }) => ends.map(status))).toEqual([
      [],
      [],
      ['HTTP/1.1 503 Service Unavailable'],
      ['HTTP/1.1 503 Service Unavailable'],
    ])
    expect(connections[2]?.ends[0]).toMatch(/^Retry-After: 1\r$/m)
    expect(router.stats()).toMatchObject({ waiting: 2, turnedAway: 2 })
    expect(logger.lines).toEqual(['warning: a connection to 80 was turned away: 2 wait already (`limits.connections`)'])
  })

  test('as many again are read from', () => {
    const { router, worker, socket } = setUp({ header: 'x-user' }, { limits: { connections: 2 } })
    worker(1).listen()
    socket().connect().send('GET / HTTP/1.1\r\n\r\n')
    socket().connect()
    socket().connect()
    expect(router.stats()).toMatchObject({ waiting: 1, peeking: 2 })
    expect(socket().connect().ends.map(status)).toEqual(['HTTP/1.1 503 Service Unavailable'])
  })

  test('they are just closed where no HTTP is spoken', () => {
    const { worker, socket } = setUp(TURNS, { limits: { connections: 1 } })
    worker(1).listen({ speaks: 'bytes' })
    socket().connect()
    expect(socket().connect().ends).toEqual([''])
  })

  test('they wait no longer than `timeouts.waiting`', async () => {
    const { router, clock, worker, socket } = setUp(undefined, { timeouts: { waiting: 1_000 } })
    worker(1).listen()
    const connection = socket().connect()
    await clock.advance(1_250)
    expect(connection.ends.map(status)).toEqual(['HTTP/1.1 503 Service Unavailable'])
    expect(router.stats()).toMatchObject({ waiting: 0, turnedAway: 1 })
  })
})

describe('a primary that runs out of descriptors', () => {
  function setUpShort(balance: Balance) {
    const cluster = setUp(balance)
    cluster.sockets.descriptors.firstReserved = 50
    const exhaust = (): void => {
      const connection = new FakeConnection()
      connection.fd = 50
      cluster.socket().connect(connection)
    }
    return { ...cluster, exhaust }
  }

  test('accepts nothing for a while, nowhere, says so, and loses nothing', async () => {
    const { router, clock, logger, serving, socket, exhaust } = setUpShort({
      default: TURNS,
      ports: { 81: 'round-robin' },
    })
    const one = serving(1)
    one.listen({ port: 82 })
    one.listen({ port: 81 })
    expect([0, 1, 2].map((index) => socket(index).accepting)).toEqual([true, true, false])
    exhaust()
    exhaust()
    expect([0, 1, 2].map((index) => socket(index).accepting)).toEqual([false, false, false])
    expect(one.connections()).toHaveLength(2)
    expect(router.stats().exhausted).toBe(1)
    expect(logger.lines).toEqual([
      'warning: the primary is running out of file descriptors (`ulimit -n`) and accepts nothing for now',
    ])
    await clock.advance(100)
    expect([0, 1, 2].map((index) => socket(index).accepting)).toEqual([true, true, false])
    exhaust()
    expect(router.stats().exhausted).toBe(2)
  })

  test('accepts again when some are free, not before', async () => {
    const { router, clock, sockets, serving, socket, exhaust } = setUpShort(TURNS)
    serving(1)
    exhaust()
    sockets.descriptors.next = 50
    await clock.advance(10_000)
    expect(socket().accepting).toBe(false)
    sockets.descriptors.next = 49
    await clock.advance(100)
    expect(socket().accepting).toBe(true)
    expect(router.stats().exhausted).toBe(1)
  })

  test('does not accept in between because workers come and go', async () => {
    const { clock, serving, worker, socket, exhaust } = setUpShort(TURNS)
    const one = serving(1)
    exhaust()
    one.open(false)
    one.open()
    one.die()
    serving(2)
    worker(3).listen({ port: 81 })
    expect([socket(0).accepting, socket(1).accepting]).toEqual([false, false])
    await clock.advance(100)
    expect([socket(0).accepting, socket(1).accepting]).toEqual([true, true])
  })
})

describe('numbers', () => {
  test('begin at nothing', () => {
    expect(setUp().router.stats()).toEqual({
      waiting: 0,
      peeking: 0,
      offered: 0,
      handedOver: 0,
      rerouted: 0,
      lost: 0,
      turnedAway: 0,
      timedOut: 0,
      tooLarge: 0,
      malformed: 0,
      strays: 0,
      exhausted: 0,
    })
  })

  test('tell of heads that were too late, too large or no heads, and of requests that strayed', async () => {
    const { router, clock, serving, socket } = setUp(
      { header: 'x-user', proxyProtocol: true },
      { limits: { peek: 16 } },
    )
    const one = serving(1)
    socket().connect().send('GET')
    socket()
      .connect()
      .send(`PROXY UNKNOWN\r\nGET /${'a'.repeat(16)}`)
    socket().connect()
    await clock.advance(DEFAULT_TIMEOUTS.peek)
    one.live(one.listener, 3, 'full', { strays: 2, exhausted: 1 })
    one.live(one.listener, 3, 'open', { strays: 1, exhausted: 3 })
    one.live(one.listener, 3, 'open')
    expect(router.stats()).toMatchObject({ malformed: 1, tooLarge: 1, timedOut: 1, peeking: 0 })
    expect(router.stats()).toMatchObject({ strays: 3, exhausted: 4 })
  })
})

describe('the end of the cluster', () => {
  test('closes every socket and tells everybody, but for what is on its way to a worker', () => {
    const { router, worker, serving, socket } = setUp({ default: TURNS, ports: { 81: { header: 'x-user' } } })
    const one = serving(1)
    worker(2).listen({ port: 81 })
    const offered = socket(0).connect()
    const read = socket(1).connect()
    const waiting = socket(1).connect()
    waiting.send('GET / HTTP/1.1\r\n\r\n')
    router.close()
    expect([socket(0).closed, socket(1).closed]).toEqual([1, 1])
    expect([offered, read, waiting].map(({ ends }) => ends.map(status))).toEqual([
      [],
      ['HTTP/1.1 503 Service Unavailable'],
      ['HTTP/1.1 503 Service Unavailable'],
    ])
    one.take(one.connections()[0]!)
    expect(offered.ends).toEqual([''])
  })

  test('leaves no timer behind', async () => {
    const { router, clock, sockets, serving, socket } = setUp({ default: 'round-robin', ports: { 81: TURNS } })
    const [one, two] = [serving(1), serving(2)]
    one.listen({ port: 81 })
    const connection = new FakeConnection()
    connection.fd = 50
    sockets.descriptors.firstReserved = 50
    socket(1).connect(connection)
    one.live(one.listener, 2, 'level')
    one.live(one.listener, 3, 'level')
    sockets.descriptors.next = 50
    router.close()
    one.die()
    two.die()
    await clock.advance(1_000)
    expect(clock.armed).toBe(0)
  })

  test('answers no server that listens later', () => {
    const { router, sockets, worker } = setUp()
    router.close()
    worker(1).listen()
    expect(sockets.listening).toEqual([])
  })
})
