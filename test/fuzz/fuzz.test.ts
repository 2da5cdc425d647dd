import { describe, expect, test } from 'vitest'
import { type ReadBatch, readDownBatch, readUpBatch } from '../../src/protocol/codec.js'
import { Crowding } from '../../src/protocol/crowding.js'
import { PayloadError } from '../../src/protocol/errors.js'
import { BATCH_TAG, type Batch } from '../../src/protocol/frames.js'
import { decodePayload } from '../../src/protocol/payload.js'
import { DOWN, UP } from './frames.js'
import { fuzz } from './run.js'
import { type Decode, targets } from './targets.js'

// A short run of `npm run fuzz`, with other inputs each day; and guards that are broken on purpose, which it has to catch.

const seed = Math.floor(Date.now() / 86_400_000)

test('what is spoilt is taken for good before that', () => {
  expect(readUpBatch({ cmd: BATCH_TAG, frames: UP })).toEqual({ frames: UP, malformed: 0 })
  expect(readDownBatch({ cmd: BATCH_TAG, frames: DOWN })).toEqual({ frames: DOWN, malformed: 0 })
})

test('whatever arrives is refused by a typed error, or harmless', { timeout: 120_000 }, async () => {
  const { failures } = await fuzz({ targets: targets(), seed, executions: 10_000 })
  expect(failures, `npm run fuzz -- --seed ${seed} --only ${failures[0]?.run}`).toEqual([])
})

describe('a guard is caught that', { timeout: 120_000 }, () => {
  const read: Decode = (payload) => decodePayload(payload, 'value')
  const parse = (payload: unknown): Record<string, unknown> =>
    (typeof payload === 'string' ? JSON.parse(payload) : payload) as Record<string, unknown>

  const broken: Record<string, Decode> = {
    'lets a property named __proto__ pass': (payload) => {
      const value = parse(payload)
      return value && typeof value === 'object' && 'plain' in value ? value.plain : read(payload)
    },
    'makes what can be awaited': (payload) => {
      const value = read(payload)
      const { rich } = parse(payload) as { rich?: { json?: Record<string, Record<string, unknown>> } }
      for (const [key, inner] of Object.entries(rich?.json ?? {}))
        if (key === 'constructor' && inner)
          // biome-ignore lint/suspicious/noThenProperty: this is what it is broken by.
          Object.assign(value as object, { then: Object.prototype.toString })
      return value
    },
    'makes an object of whatever prototype is named': (payload) => {
      const value = read(payload)
      return value && typeof value === 'object' && 'prototype' in value ? Object.create(value) : value
    },
    'changes what all objects inherit': (payload) => {
      const value = read(payload)
      if (value && typeof value === 'object' && 'polluted' in value)
        Object.defineProperty(Object.prototype, 'polluted', { value: 1, configurable: true })
      return value
    },
    'throws what it stumbles over': (payload) => {
      try {
        return read(payload)
      } catch (error) {
        throw error instanceof PayloadError && error.reason.includes('malformed')
          ? new TypeError('x is not iterable')
          : error
      }
    },
    'loses -0': (payload) => {
      const value = read(payload)
      return Object.is(value, -0) ? 0 : value
    },
  }

  test.each(Object.entries(broken))('%s', async (_, decode) => {
    try {
      const { failures } = await fuzz({ targets: targets(decode), seed: 1, executions: 100_000 })
      expect(failures).not.toEqual([])
    } finally {
      Reflect.deleteProperty(Object.prototype, 'polluted')
    }
  })

  test('believes every frame', async () => {
    const everything = <F>({ frames }: Batch<unknown>): ReadBatch<F> => ({ frames: frames as F[], malformed: 0 })
    const named = (name: string): boolean => name.startsWith('frames')
    for (const codec of [
      { up: everything, down: readDownBatch },
      { up: readUpBatch, down: everything },
    ]) {
      const frames = targets(read, codec).filter(({ name }) => named(name))
      const { failures } = await fuzz({ targets: frames, seed: 1, executions: 20_000 })
      expect(failures).not.toEqual([])
    }
  })

  /** How long that reader takes over the slowest of some large payloads, and the real one over the same. */
  async function slowest(
    decode: Decode,
    executions: number,
  ): Promise<{ broken: number; sound: () => Promise<number> }> {
    const large = (by: Decode) => targets(by).filter(({ name }) => name === 'large payloads')
    const { slowest } = await fuzz({ targets: large(decode), seed: 1, executions })
    return {
      broken: slowest.ms,
      sound: async () => (await fuzz({ targets: large(read), seed: 1, executions, only: slowest.run })).slowest.ms,
    }
  }

  test('takes longer than its text justifies', async () => {
    const { broken, sound } = await slowest((payload) => {
      const value = read(payload)
      // Quadratic in what a Set holds, as superjson's reader is.
      if (value instanceof Set) for (const entry of value) [...value].at(entry as number)
      return value
    }, 60)
    expect(broken).toBeGreaterThan(4 * (await sound()))
  })

  test('does not mind keys that were chosen to hash alike', async () => {
    const { add } = Crowding.prototype
    Crowding.prototype.add = () => {}
    const { broken, sound } = await slowest(read, 60).finally(() => {
      Crowding.prototype.add = add
    })
    expect(broken).toBeGreaterThan(4 * (await sound()))
  })

  test('and a failure comes again by its seed and number', async () => {
    const options = { targets: targets(broken['lets a property named __proto__ pass']), seed: 7, executions: 100_000 }
    const { failures, executions } = await fuzz(options)
    const [first] = failures
    expect(first).toBeDefined()
    // It stops at so many, and says how far it came.
    expect(executions).toBeLessThan(options.executions)
    expect((await fuzz({ ...options, only: first?.run })).failures).toEqual([first])
  })
})
