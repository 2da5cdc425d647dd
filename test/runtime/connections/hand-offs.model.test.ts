import fc from 'fast-check'
import { assert, test } from 'vitest'
import type { Listener } from '../../../src/runtime/connections/listener.js'
import type { FakeConnection } from '../../support/fake-sockets.js'
import { AWAY, listenerOf, ref, seat, setUpHandOffs } from '../../support/hand-off-fakes.js'

const LIMITS = { handoffs: 2, connections: 4 }
const TIMEOUTS = { waiting: 2_000, handoff: 3_000 }
const WORKERS = [1, 2, 3]

interface Worker {
  readonly id: number
  readonly incarnation: number
  open: boolean
  /** What has come to it, and it has not answered. */
  inbox: number[]
}

const newListener = (which: number): Listener =>
  listenerOf(which % 2 === 0 ? { policy: 'least-connections', accept: 'primary' } : { cookie: 'sid' })

/**
 * The world around `HandOffs`: clients who come, workers who answer, refuse, stop and die as the test has it. It knows what
 * has to become of each connection, and nothing of how that is done.
 */
class World {
  readonly #parts = setUpHandOffs(LIMITS, TIMEOUTS)
  readonly #listeners: Listener[] = [0, 1].map(newListener)
  readonly #workers = new Map<number, Worker>()
  readonly #connections = new Map<number, FakeConnection>()
  readonly #taken = new Set<number>()
  readonly #fenced = new Set<number>()
  #incarnations = 0
  #delivered = 0

  arrive(which: number, key: string): void {
    const { id, connection } = this.#parts.arrive(this.#listenerAt(which), { key })
    this.#connections.set(id, connection)
  }

  start(id: number): void {
    if (this.#workers.has(id)) return
    this.#workers.set(id, { id, incarnation: ++this.#incarnations, open: false, inbox: [] })
  }

  listen(id: number, which: number): void {
    const worker = this.#workers.get(id)
    const listener = this.#listenerAt(which)
    if (!worker || listener.seats.has(worker.incarnation)) return
    seat(listener, id, worker.incarnation)
    if (worker.open) this.#parts.handOffs.seatsChanged(listener)
  }

  unlisten(id: number, which: number): void {
    const worker = this.#workers.get(id)
    const listener = this.#listenerAt(which)
    if (worker && listener.seats.delete(worker.incarnation)) this.#parts.handOffs.seatsChanged(listener)
  }

  setOpen(id: number, open: boolean): void {
    const worker = this.#workers.get(id)
    if (!worker || worker.open === open || this.#fenced.has(worker.incarnation)) return
    worker.open = open
    if (open) this.#parts.handOffs.opened(ref(id, worker.incarnation))
    else this.#parts.handOffs.closed(ref(id, worker.incarnation))
  }

  acknowledge(id: number, which: number): void {
    const worker = this.#workers.get(id)
    const [connection] = worker?.inbox.splice(which % worker.inbox.length, 1) ?? []
    if (!worker || connection === undefined) return
    this.#taken.add(connection)
    this.#parts.handOffs.acknowledged(worker.incarnation, connection)
  }

  refuse(id: number, which: number, reason: 'full' | 'lost' | 'closed'): void {
    const worker = this.#workers.get(id)
    const [connection] = worker?.inbox.splice(which % worker.inbox.length, 1) ?? []
    if (worker && connection !== undefined) this.#parts.handOffs.refused(worker.incarnation, connection, reason)
  }

  /** It says once more that it has not got what it has answered already: that is long known. */
  repeat(id: number): void {
    const worker = this.#workers.get(id)
    const all = this.#parts.sent.filter(({ to }) => to === worker?.incarnation)
    const awaited = worker?.inbox.map((held) => all.findLast(({ frame }) => frame.connection === held)) ?? []
    for (const offer of all)
      if (!awaited.includes(offer)) this.#parts.handOffs.refusedOffer(offer.to, offer.frame.id, 'lost')
  }

  /** It has room again, and says so. */
  recover(id: number): void {
    const incarnation = this.#workers.get(id)?.incarnation ?? 0
    for (const listener of this.#listeners) {
      const seat = listener.seats.get(incarnation)
      if (!seat?.full) continue
      seat.full = false
      this.#parts.handOffs.seatsChanged(listener)
    }
  }

  die(id: number): void {
    const worker = this.#workers.get(id)
    if (!worker) return
    this.#workers.delete(id)
    for (const listener of this.#listeners) listener.seats.delete(worker.incarnation)
    this.#parts.handOffs.gone(ref(id, worker.incarnation))
  }

  /** Whoever listens there later has another socket. */
  abandon(which: number): void {
    const listener = this.#listenerAt(which)
    listener.seats.clear()
    this.#parts.handOffs.abandon(listener)
    this.#listeners[which % this.#listeners.length] = newListener(which)
  }

  async wait(ms: number): Promise<void> {
    await this.#parts.clock.advance(ms)
  }

  end(): void {
    this.#parts.handOffs.end()
  }

  /** Brings what was sent to its worker, and looks whether everything is as it should be. */
  check(): void {
    const { handOffs, sent, fenced } = this.#parts
    for (const { incarnation } of fenced) this.#fenced.add(incarnation)
    for (const { to, frame } of sent.slice(this.#delivered)) {
      const worker = [...this.#workers.values()].find(({ incarnation }) => incarnation === to)
      assert.isTrue(worker?.open, `connection ${frame.connection} was sent to a worker that was not open`)
      worker?.inbox.push(frame.connection)
    }
    this.#delivered = sent.length

    const held = [...this.#workers.values()].flatMap(({ inbox }) => inbox)
    assert.deepEqual(held, [...new Set(held)], 'nobody is on the way to two workers')
    for (const { inbox } of this.#workers.values()) assert.isAtMost(inbox.length, LIMITS.handoffs)
    // Those that come back from a worker wait in any case: of each server there as many as could be on their way, for when
    // one of its servers has no room, another may be sent connections still.
    const comeBack = LIMITS.handoffs * this.#incarnations * this.#listeners.length
    assert.isAtMost(handOffs.waiting, LIMITS.connections + comeBack)
    assert.equal(handOffs.offered, held.length)

    let open = 0
    for (const [id, { ends }] of this.#connections) {
      if (this.#taken.has(id)) assert.deepEqual(ends, [''], `connection ${id} was taken`)
      else if (ends.length > 0) assert.deepEqual(ends, [AWAY], `connection ${id} was turned away`)
      else open++
      if (ends.length > 0) assert.notInclude(held, id)
    }
    assert.equal(handOffs.waiting + handOffs.offered, open, 'each is waiting, on its way, or done')
    assert.equal(handOffs.taken, this.#taken.size)
    this.#checkNobodyIsForgotten()
  }

  /** Whoever waits does so because nobody can take it: with all workers at hand and idle, nobody waits. */
  #checkNobodyIsForgotten(): void {
    const idle = [...this.#workers.values()].filter(
      ({ open, inbox, incarnation }) =>
        open &&
        inbox.length === 0 &&
        this.#listeners.every((listener) => listener.seats.get(incarnation)?.full === false),
    )
    if (idle.length === WORKERS.length) assert.equal(this.#parts.handOffs.waiting, 0)
  }

  /** Everybody comes to work: what is still here is served. */
  finish(): void {
    for (const { id, incarnation } of [...this.#workers.values()]) if (this.#fenced.has(incarnation)) this.die(id)
    for (const id of WORKERS) {
      this.start(id)
      for (const which of this.#listeners.keys()) this.listen(id, which)
      this.setOpen(id, true)
      this.recover(id)
      this.check()
    }
    for (const id of [...WORKERS, ...WORKERS]) {
      while ((this.#workers.get(id)?.inbox.length ?? 0) > 0) {
        this.acknowledge(id, 0)
        this.check()
      }
    }
    for (const [id, { ends }] of this.#connections) assert.lengthOf(ends, 1, `connection ${id} ended once`)
    assert.equal(this.#parts.handOffs.waiting + this.#parts.handOffs.offered, 0)
  }

  #listenerAt(which: number): Listener {
    return this.#listeners[which % this.#listeners.length] as Listener
  }
}

type Command = fc.AsyncCommand<object, World>

function command(name: string, run: (world: World) => void | Promise<void>): Command {
  return {
    check: () => true,
    async run(_, world) {
      await run(world)
      world.check()
    },
    toString: () => name,
  }
}

const worker = fc.constantFrom(...WORKERS)
const which = fc.nat({ max: 3 })
const reason = fc.constantFrom('full', 'lost', 'closed')

const arrival = fc
  .tuple(which, fc.constantFrom('a', 'b'))
  .map(([at, key]) => command(`arrive(${at}, ${key})`, (world) => world.arrive(at, key)))
const start = worker.map((id) =>
  command(`start(${id})`, (world) => {
    world.start(id)
    world.listen(id, 0)
    world.listen(id, 1)
    world.setOpen(id, true)
  }),
)

const commands = [
  arrival,
  arrival,
  arrival,
  start,
  worker.map((id) => command(`start(${id}) alone`, (world) => world.start(id))),
  fc.tuple(worker, which).map(([id, at]) => command(`listen(${id}, ${at})`, (world) => world.listen(id, at))),
  fc.tuple(worker, which).map(([id, at]) => command(`unlisten(${id}, ${at})`, (world) => world.unlisten(id, at))),
  fc.tuple(worker, fc.boolean()).map(([id, to]) => command(`setOpen(${id}, ${to})`, (world) => world.setOpen(id, to))),
  fc.tuple(worker, which).map(([id, at]) => command(`acknowledge(${id}, ${at})`, (world) => world.acknowledge(id, at))),
  fc
    .tuple(worker, which, reason)
    .map(([id, at, why]) => command(`refuse(${id}, ${at}, ${why})`, (world) => world.refuse(id, at, why))),
  worker.map((id) => command(`repeat(${id})`, (world) => world.repeat(id))),
  worker.map((id) => command(`recover(${id})`, (world) => world.recover(id))),
  worker.map((id) => command(`die(${id})`, (world) => world.die(id))),
  which.map((at) => command(`abandon(${at})`, (world) => world.abandon(at))),
  fc.constantFrom(10, 1_000, 5_000).map((ms) => command(`wait(${ms})`, (world) => world.wait(ms))),
] as const

test('whatever workers do and whenever, each connection is ended here once, when one worker has it or nobody gets it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands([...commands], { maxCommands: 80, size: 'max' }), async (sequence) => {
      const world = new World()
      await fc.asyncModelRun(() => ({ model: {}, real: world }), sequence)
      world.finish()
    }),
    { numRuns: 400 },
  )
}, 60_000)

test('so it is when the cluster ends in the middle', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands([...commands], { maxCommands: 40, size: 'max' }),
      fc.commands([...commands], { maxCommands: 20, size: 'max' }),
      async (before, after) => {
        const world = new World()
        await fc.asyncModelRun(() => ({ model: {}, real: world }), before)
        world.end()
        world.check()
        await fc.asyncModelRun(() => ({ model: {}, real: world }), after)
        world.finish()
      },
    ),
    { numRuns: 200 },
  )
}, 60_000)
