import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ClusterOptions } from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import { endAll, fixture, nobodyLeft, Program, SOON, temporaryFolder } from '../support/processes.js'

afterEach(endAll)

/*
 * Promise P7, counted: every start of a worker leaves a trace in a file, so that no fork can hide, and the times of the traces are
 * held against the restart options.
 */
const RESTART = { max: 4, within: 60_000, backoff: { min: 20, max: 500, factor: 2, jitter: 0.2 } } as const

class Loop {
  readonly program: Program
  readonly broken: string
  readonly #log: string

  constructor(options: Omit<ClusterOptions, 'exec' | 'methods'>, env: Record<string, string> = {}) {
    const folder = temporaryFolder()
    this.#log = join(folder, 'starts')
    this.broken = join(folder, 'broken')
    writeFileSync(this.#log, '')
    this.program = new Program(
      fixture('sup-primary'),
      [JSON.stringify({ exec: './crash-loop.js', args: [String(options.workers)], ...options })],
      {
        env: { LOOP_LOG: this.#log, LOOP_BROKEN: this.broken, ...env },
      },
    )
  }

  /** Every start so far, worker 0 for one that crashed before it knew its id. */
  get starts(): { id: number; time: number }[] {
    const lines = readFileSync(this.#log, 'utf8').trim().split('\n').filter(Boolean)
    return lines.map((line) => ({ id: Number(line.split(' ')[0]), time: Number(line.split(' ')[1]) }))
  }

  break(): void {
    writeFileSync(this.broken, '')
  }

  events(name: string): Record<string, unknown>[] {
    return this.program.lines.flatMap((line) => (name in line ? [line[name] as Record<string, unknown>] : []))
  }
}

describe('a worker that crashes at boot', () => {
  it('in the first start: every worker is forked once, and the program ends with an error', async () => {
    const folder = temporaryFolder()
    const loop = new Loop({ workers: 3, restart: RESTART }, { LOOP_BROKEN: folder })
    expect(await loop.program.ended).toMatchObject({ code: 1 })
    expect(loop.starts.length).toBeLessThanOrEqual(3)
    expect(loop.program.stderr).toContain('BootError')
    await nobodyLeft()
  })

  it.each(['degrade', 'stop'] as const)(
    'later on, in all slots (%s): the cluster ends with exit code 1',
    async (onLimit) => {
      const loop = new Loop({ workers: 2, restart: { ...RESTART, onLimit } }, { LOOP_AFTER: '300' })
      await loop.program.line('started')
      loop.break()
      expect(await loop.program.ended).toMatchObject({ code: 1 })
      // Each slot: the first process, and no more than `max` restarts.
      expect(loop.starts.length).toBeLessThanOrEqual(2 * (1 + RESTART.max))
      expect(loop.starts.length).toBeGreaterThan(RESTART.max)
      expect(loop.events('closed')).toEqual([expect.objectContaining({ reason: 'failed' })])
      expect(loop.events('closed')[0]?.message).toContain(`after ${RESTART.max} restarts within ${RESTART.within} ms`)
      await nobodyLeft()
    },
  )
})

describe('a worker that crashes again and again after it was ready', () => {
  it('with others that serve (degrade): is tried at the slowest pace from the limit on, and the others serve', async () => {
    const pace = 1_000
    const restart = { ...RESTART, backoff: { ...RESTART.backoff, max: pace }, onLimit: 'degrade' } as const
    const loop = new Loop({ workers: 2, restart }, { LOOP_AFTER: '50', LOOP_IDS: '2' })
    await expect.poll(() => loop.events('failed').length, SOON).toBe(1)
    const atLimit = startsOf(loop, 2)
    expect(atLimit.length).toBe(1 + RESTART.max)
    // It becomes ready at each attempt, dies again, and is over the limit at once.
    await expect.poll(() => startsOf(loop, 2).length, SOON).toBe(atLimit.length + 4)
    const retries = startsOf(loop, 2).slice(RESTART.max)
    // The trace is written when the program runs, which takes now longer and now shorter.
    for (const gap of gaps(retries)) expect(gap).toBeGreaterThan(pace / 2)
    expect((retries.at(-1) ?? 0) - (retries[0] ?? 0)).toBeGreaterThan(4 * pace - pace / 2)
    expect(startsOf(loop, 1)).toHaveLength(1)
    expect(loop.events('closed')).toEqual([])
  })

  it('with `stop`: the cluster ends at the limit with exit code 1, the others drained', async () => {
    const loop = new Loop({ workers: 2, restart: { ...RESTART, onLimit: 'stop' } }, { LOOP_AFTER: '50', LOOP_IDS: '2' })
    expect(await loop.program.ended).toMatchObject({ code: 1 })
    expect(startsOf(loop, 2)).toHaveLength(1 + RESTART.max)
    expect(startsOf(loop, 1)).toHaveLength(1)
    expect(loop.events('exit').find(({ id }) => id === 1)).toMatchObject({ intended: true })
    await nobodyLeft()
  })

  it('more slowly than the limit (each second): is restarted each time, never more than the limit within any window', async () => {
    const restart = { ...RESTART, max: 3, within: 2_500 }
    const loop = new Loop({ workers: 1, restart }, { LOOP_AFTER: '1000' })
    await expect.poll(() => loop.starts.length, { ...SOON, timeout: 40_000 }).toBeGreaterThanOrEqual(7)
    const times = startsOf(loop, 1)
    for (const [index, time] of times.entries()) {
      const later = times[index + restart.max + 1]
      if (later !== undefined) expect(later - time).toBeGreaterThan(restart.within)
    }
    expect(loop.events('failed')).toEqual([])
    expect(loop.events('closed')).toEqual([])
  })

  it('that ends by itself is not started again where the policy says so: the program ends with exit code 0', async () => {
    const loop = new Loop({ workers: 2, restart: { policy: 'temporary' } }, { LOOP_AFTER: '50' })
    expect(await loop.program.ended).toMatchObject({ code: 0 })
    expect(loop.starts).toHaveLength(2)
    expect(loop.events('closed')).toEqual([expect.objectContaining({ reason: 'finished' })])
  })
})

function startsOf(loop: Loop, id: number): number[] {
  return loop.starts.filter((start) => start.id === id).map(({ time }) => time)
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((time, index) => time - (times[index] ?? 0))
}
