import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { runSeed } from './run-seed.js'

vi.setConfig({ testTimeout: 120_000 })

// Real time and real chance come in through ports alone: whatever looks at them past those cannot be simulated.

describe('in a simulation', () => {
  /** Where each was used. */
  let used: string[]

  beforeEach(() => {
    used = []
    const spy = <T extends object>(target: T, name: keyof T & string): void => {
      const original = target[name] as (...args: unknown[]) => unknown
      vi.spyOn(target, name as never).mockImplementation(((...args: unknown[]) => {
        used.push(`${name} ${new Error().stack?.split('\n').slice(2, 5).join('\n')}`)
        return original.apply(target, args)
      }) as never)
    }
    for (const name of ['setTimeout', 'setInterval', 'setImmediate'] as const) spy(globalThis, name)
    spy(Date, 'now')
    spy(performance, 'now')
    spy(process.hrtime, 'bigint')
    spy(Math, 'random')
    spy(crypto, 'randomUUID')
    spy(AbortSignal, 'timeout')
  })

  afterEach(() => vi.restoreAllMocks())

  test('nothing that the cluster is made of looks at real time or real chance', async () => {
    for (const seed of [1, 2, 3, 4]) expect((await runSeed(seed)).violations).toEqual([])
    expect(used).toEqual([])
  })

  test('it would be noticed', () => {
    Date.now()
    expect(used).toHaveLength(1)
    expect(used[0]).toContain('real-time.test.ts')
  })
})

describe('in the sources', () => {
  const root = fileURLToPath(new URL('../../src', import.meta.url))
  const REAL =
    /\b(Date\.now|performance\.now|hrtime|setTimeout|setInterval|setImmediate|Math\.random|randomUUID|randomBytes|AbortSignal\.timeout|timers\/promises)\b/
  /** Node's own side: the ports themselves, the roots that hand them in, and what runs in real processes only. */
  const PORTS = [
    'runtime/clock.ts',
    'runtime/timer-queue.ts',
    'runtime/create-cluster.ts',
    'runtime/join-cluster.ts',
    'runtime/signals.ts',
    'runtime/evidence/read-stack.ts',
    'runtime/evidence/look.ts',
    'runtime/evidence/own-inspector.ts',
    'runtime/transports/meeting-folder.ts',
    'runtime/transports/read-pace.ts',
    'testing/virtual-time.ts',
    // It measures real work: whether keys crowd in a table of this process.
    'protocol/crowding.ts',
  ]

  /** Lines of code that name one of them, comments left out. */
  function uses(file: string): string[] {
    return readFileSync(join(root, file), 'utf8')
      .split('\n')
      .filter((line) => !/^\s*(\/\/|\/?\*)/.test(line) && REAL.test(line.replace(/`[^`]*`|\/\/.*$/g, '')))
      .map((line) => `${file}: ${line.trim()}`)
  }

  test('only ports name them', () => {
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
    expect(files.length).toBeGreaterThan(100)
    const inRuntime = files.filter((file) => /^(runtime|protocol|testing)\//.test(file) && !PORTS.includes(file))
    expect(inRuntime.flatMap(uses)).toEqual([])
    // The check itself.
    expect(uses('runtime/clock.ts')).not.toEqual([])
  })
})
