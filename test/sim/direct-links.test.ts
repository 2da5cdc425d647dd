import { afterEach, describe, expect, test, vi } from 'vitest'
import { channel, type UntypedContract } from '../../src/protocol/contract.js'
import { PeerLink } from '../../src/runtime/messaging/direct/peer-link.js'
import type { WorkerCluster } from '../../src/runtime/worker.js'
import type { Passing, SimulationHooks } from '../../src/testing/hooks.js'
import { Random } from '../../src/testing/random.js'
import { simulate } from '../../src/testing/simulate-cluster.js'

vi.setConfig({ testTimeout: 60_000 })

interface Run {
  /** Calls that failed, by code, and calls that ran more than once. */
  readonly failed: readonly string[]
  readonly twice: number
  readonly calls: number
  /** Frames that two workers have sent each other directly, by kind. */
  readonly direct: ReadonlyMap<string, number>
}

/** Workers that call each other without a pause while the cluster is reloaded twice. */
async function reloads(seed: number, directLinks = true, scales = false): Promise<Run> {
  const ran = new Map<string, number>()
  const failed: string[] = []
  const direct = new Map<string, number>()
  let calls = 0
  const sim = await simulate<UntypedContract>(
    {
      workers: 3,
      seed,
      options: { directLinks },
      methods: (process) => ({
        async work(tag: string, ms: number) {
          ran.set(tag, (ran.get(tag) ?? 0) + 1)
          if (ms > 0) await process.sleep(ms)
          return tag
        },
      }),
      program(cluster, process) {
        const others = [1, 2, 3].filter((id) => id !== process.id)
        let draining = false
        cluster.onDrain(() => {
          draining = true
        })
        const next = (n: number): void => {
          if (draining) return
          calls++
          const to = others[n % 2] as number
          const tag = `${process.incarnation}.${n}`
          ;(cluster as WorkerCluster<UntypedContract>).call(to, 'work', [tag, n % 40 === 0 ? 5 : 0]).then(
            (value) => value === tag || failed.push('wrong'),
            (error: { code: string }) => failed.push(error.code),
          )
          void process.sleep(1).then(() => next(n + 1))
        }
        next(0)
      },
    },
    {
      sent: ({ direction, frame }: Passing) => {
        if (direction === 'direct') direct.set(frame.kind, (direct.get(frame.kind) ?? 0) + 1)
      },
    },
  )
  // One of them hears of everything late.
  sim.delay(1, 30)
  await sim.clock.advance(200)
  for (let n = 0; n < 2; n++) {
    await sim.until<unknown>(scales ? sim.cluster.scale(2) : sim.cluster.reload({ settle: 50 }))
    await sim.clock.advance(100)
    if (scales) await sim.until(sim.cluster.scale(3))
  }
  await sim.until(sim.cluster.stop())
  return { failed, twice: [...ran.values()].filter((times) => times > 1).length, calls, direct }
}

afterEach(() => vi.restoreAllMocks())

const numbers = channel<{ from: string; n: number }>('numbers')

/**
 * Workers that number what they send to worker 1, in calls, casts, calls to any and messages by turns, while links are made
 * and the primary is held up now and then. Gives what came there out of order.
 */
async function disorder(seed: number, hooks: SimulationHooks = {}): Promise<{ late: string[]; came: number }> {
  const last = new Map<string, number>()
  const late: string[] = []
  let came = 0
  const see = (from: string, n: number): void => {
    came++
    if (n < (last.get(from) ?? 0)) late.push(`${n} of ${from} after ${last.get(from)}`)
    last.set(from, n)
  }
  const sim = await simulate<UntypedContract>(
    {
      workers: 3,
      seed,
      methods: (process) => ({
        note: (from: string, n: number) => void (process.id === 1 && see(from, n)),
      }),
      program(cluster, process) {
        if (process.id === 1) return cluster.subscribe(numbers, ({ from, n }) => see(from, n)).active
        const from = `worker ${process.id}`
        const random = new Random(seed * 10 + process.id)
        const next = (n: number): void => {
          if (n > 600) return
          const way = random.below(20)
          if (way === 0) void cluster.publish(numbers, { from, n })
          else if (way === 1) void cluster.call('any', 'note', [from, n]).catch(() => {})
          else if (way < 8) void cluster.cast(1, 'note', [from, n]).catch(() => {})
          else void cluster.call(1, 'note', [from, n]).catch(() => {})
          if (random.chance(0.7)) next(n + 1)
          else void process.sleep(random.below(3)).then(() => next(n + 1))
        }
        void process.sleep(20).then(() => next(1))
        return undefined
      },
    },
    hooks,
  )
  for (let n = 0; n < 20; n++) {
    sim.block('primary', 3)
    await sim.clock.advance(10)
    sim.block(1, 4)
    await sim.clock.advance(10)
  }
  await sim.until(sim.cluster.stop())
  return { late, came }
}

describe('what a worker sends to another', () => {
  test.each([1, 2, 3, 4, 5, 6])('arrives in the order sent, by whichever way: seed %s', async (seed) => {
    const { late, came } = await disorder(seed)
    expect(late).toEqual([])
    expect(came).toBeGreaterThan(800)
  })

  test('would not, without the fences', async () => {
    const { late } = await disorder(1, { replace: ({ frame }) => (frame.kind === 'fence' ? [] : [frame]) })
    expect(late).not.toEqual([])
  })

  test('would not, if only links were fenced', async () => {
    vi.spyOn(PeerLink.prototype, 'mayRead').mockReturnValue(true)
    expect((await disorder(1)).late).not.toEqual([])
  })
})

describe('workers that call each other all the time', () => {
  test.each([1, 2, 3, 4, 5])('lose no call by a reload, and none runs twice: seed %s', async (seed) => {
    const { failed, twice, calls, direct } = await reloads(seed)
    expect({ failed, twice }).toEqual({ failed: [], twice: 0 })
    expect(direct.get('invoke')).toBeGreaterThan(calls / 2)
    expect(direct.get('left')).toBeGreaterThan(0)
  })

  const removals = async (): Promise<string[]> =>
    (await Promise.all([1, 2, 3, 4].map((seed) => reloads(seed, true, true)))).flatMap(({ failed }) => failed)

  test('lose none to one that is removed: each is served or refused', async () => {
    expect(new Set(await removals())).toEqual(new Set(['ERR_NO_SUCH_WORKER']))
  })

  test('would lose some if that did not wait for the word that nothing more comes', async () => {
    vi.spyOn(PeerLink.prototype, 'isParted', 'get').mockReturnValue(true)
    expect(new Set(await removals())).toContain('ERR_WORKER_GONE')
  })

  test('have no links where they may not', async () => {
    const { failed, direct } = await reloads(1, false)
    expect(failed).toEqual([])
    expect(direct.size).toBe(0)
  })
})
