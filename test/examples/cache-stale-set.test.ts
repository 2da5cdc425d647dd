import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReadThroughCache } from '../../examples/cache/cache.js'

interface Row {
  version: number
}

/** A load that the test ends when it wants to. */
interface OpenLoad {
  key: string
  give(row: Row | undefined): Promise<void>
  fail(error: Error): Promise<void>
}

function setup() {
  const cache = new ReadThroughCache<Row>({ maxEntries: 100, maxSize: 100, sizeOf: () => 1 })
  const loads: OpenLoad[] = []
  const load = (key: string): Promise<Row | undefined> =>
    new Promise((resolve, reject) => {
      loads.push({
        key,
        give: (row) => turn(() => resolve(row)),
        fail: (error) => turn(() => reject(error)),
      })
    })
  return { cache, loads, read: (key: string) => cache.read(key, load) }
}

/** Does it, and lets everything that follows from it happen. */
async function turn(act: () => void): Promise<void> {
  act()
  await new Promise(setImmediate)
}

describe('a cache that is told of changes', () => {
  it('gives what it has, and loads the rest once for all who wait', async () => {
    const { loads, read } = setup()
    const waiting = [read('a'), read('a')]
    expect(loads.length).toBe(1)
    await loads[0]!.give({ version: 1 })
    expect(await Promise.all(waiting)).toEqual([
      { value: { version: 1 }, isHit: false },
      { value: { version: 1 }, isHit: false },
    ])
    expect(await read('a')).toEqual({ value: { version: 1 }, isHit: true })
  })

  it('does not cache what was read before the change and arrives after it (the stale set)', async () => {
    const { cache, loads, read } = setup()
    const early = read('a')
    cache.invalidate('a')
    await loads[0]!.give({ version: 1 })
    expect(await early).toEqual({ value: { version: 1 }, isHit: false })
    const later = read('a')
    expect(loads.length).toBe(2)
    await loads[1]!.give({ version: 2 })
    expect(await later).toEqual({ value: { version: 2 }, isHit: false })
  })

  it('gives a read that begins after the change a load of its own', async () => {
    const { cache, loads, read } = setup()
    const early = read('a')
    cache.invalidate('a')
    const later = read('a')
    await loads[1]!.give({ version: 2 })
    // The old load ends last, and still does no harm.
    await loads[0]!.give({ version: 1 })
    expect([(await early).value, (await later).value]).toEqual([{ version: 1 }, { version: 2 }])
    expect(await read('a')).toEqual({ value: { version: 2 }, isHit: true })
  })

  it('lets a load that was overtaken end without taking the newer one along', async () => {
    const { cache, loads, read } = setup()
    const early = read('a')
    cache.invalidate('a')
    const later = read('a')
    await loads[0]!.give({ version: 1 })
    const joining = read('a')
    expect(loads.length).toBe(2)
    await loads[1]!.give({ version: 2 })
    expect((await Promise.all([early, later, joining])).map(({ value }) => value?.version)).toEqual([1, 2, 2])
  })

  it('forgets one key and keeps the others; clear() forgets all, loads under way included', async () => {
    const { cache, loads, read } = setup()
    for (const key of ['a', 'b']) {
      const reading = read(key)
      await loads.at(-1)!.give({ version: 1 })
      await reading
    }
    cache.invalidate('a')
    expect((await read('b')).isHit).toBe(true)
    const early = read('c')
    cache.clear()
    await loads.at(-1)!.give({ version: 1 })
    await early
    for (const key of ['b', 'c']) {
      const reading = read(key)
      await loads.at(-1)!.give({ version: 2 })
      expect(await reading).toEqual({ value: { version: 2 }, isHit: false })
    }
  })

  it('caches neither failures nor what is not there', async () => {
    const { loads, read } = setup()
    const failing = Promise.allSettled([read('a'), read('a')])
    await loads[0]!.fail(new Error('the database is gone'))
    expect((await failing).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    const missing = read('a')
    await loads[1]!.give(undefined)
    expect(await missing).toEqual({ value: undefined, isHit: false })
    const found = read('a')
    await loads[2]!.give({ version: 1 })
    expect((await found).value).toEqual({ version: 1 })
  })

  it('takes a load that answers or throws at once', async () => {
    const { cache } = setup()
    const broken = cache.read('a', () => {
      throw new Error('no such table')
    })
    await expect(broken).rejects.toThrow('no such table')
    expect(await cache.read('a', () => ({ version: 1 }))).toEqual({ value: { version: 1 }, isHit: false })
    expect((await cache.read('a', () => ({ version: 2 }))).value).toEqual({ version: 1 })
  })

  it('never gives, in any order of events, what was there before a change that was handled before the read', async () => {
    const event = fc.record({
      kind: fc.constantFrom('read', 'take the row', 'answer', 'write', 'handle', 'clear'),
      key: fc.constantFrom('a', 'b'),
      which: fc.nat(3),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 60, size: 'max' }), async (events) => {
        const { cache, loads, read } = setup()
        const rows = new Map<string, number>([
          ['a', 0],
          ['b', 0],
        ])
        const messages: { key: string; version: number }[] = []
        const handled = new Map<string, number>()
        const taken = new Map<OpenLoad, number>()
        const reads: Promise<{ version: number; atLeast: number }>[] = []
        const takeRow = (load: OpenLoad): number => {
          const version = taken.get(load) ?? rows.get(load.key)!
          taken.set(load, version)
          return version
        }
        for (const { kind, key, which } of events) {
          const load = loads[which % Math.max(1, loads.length)]
          if (kind === 'read') {
            const atLeast = handled.get(key) ?? 0
            reads.push(read(key).then(({ value }) => ({ version: value!.version, atLeast })))
          } else if (kind === 'take the row' && load) {
            takeRow(load)
          } else if (kind === 'answer' && load) {
            loads.splice(loads.indexOf(load), 1)
            await load.give({ version: takeRow(load) })
          } else if (kind === 'write') {
            rows.set(key, rows.get(key)! + 1)
            messages.push({ key, version: rows.get(key)! })
          } else if (kind === 'handle') {
            // Messages of different writers may arrive in any order.
            const [message] = messages.splice(which % Math.max(1, messages.length), 1)
            if (!message) continue
            cache.invalidate(message.key)
            handled.set(message.key, Math.max(handled.get(message.key) ?? 0, message.version))
          } else if (kind === 'clear') {
            cache.clear()
          }
        }
        for (const load of loads) await load.give({ version: takeRow(load) })
        for (const { version, atLeast } of await Promise.all(reads)) expect(version).toBeGreaterThanOrEqual(atLeast)
      }),
      { numRuns: 500 },
    )
  })
})
