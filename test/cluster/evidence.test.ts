import { type ExitEvent, type PrimaryCluster, WorkerGoneError } from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import { rejection } from '../support/outcome.js'
import { endAll, fixture, SOON, sendSignal, startCluster } from '../support/processes.js'
import type { DirectMethods } from './fixtures/direct-worker.js'
import type { Contract } from './fixtures/live-worker.js'

afterEach(endAll)

const start = (execArgv: string[] = []) =>
  startCluster<Contract>({ exec: fixture('live-worker'), workers: 1, execArgv })

const exitOf = (cluster: Pick<PrimaryCluster<Contract>, 'on'>) =>
  new Promise<ExitEvent>((resolve) => cluster.on('exit', resolve))

describe('what is known of a worker that has ended', () => {
  it('it ran out of memory: V8 says so, and its calls are told with its last lines', async () => {
    const cluster = await start(['--max-old-space-size=40'])
    const exit = exitOf(cluster)
    const error = await rejection(WorkerGoneError, cluster.call(1, 'fill', [], { timeout: 60_000 }))
    expect(error).toMatchObject({ outOfMemory: 'yes', signal: 'SIGABRT', exitCode: null })
    expect(error.message).toContain('ran out of memory (SIGABRT)')
    expect(error.output.split('\n').length).toBeLessThanOrEqual(12)
    expect(error.output).not.toBe('')
    expect(await exit).toMatchObject({ outOfMemory: 'yes', output: expect.stringContaining('heap out of memory') })
  })

  it('somebody killed it: the kernel may have, nobody can know', async () => {
    const cluster = await start()
    const exit = exitOf(cluster)
    const hung = rejection(WorkerGoneError, cluster.call(1, 'hang', [], { timeout: 60_000 }))
    await cluster.call(1, 'say', ['the last words'])
    sendSignal(cluster.workers.get(1)!.pid, 'SIGKILL')
    expect(await hung).toMatchObject({ outOfMemory: 'unknown', signal: 'SIGKILL', output: 'the last words' })
    expect(await exit).toMatchObject({ outOfMemory: 'unknown', output: 'the last words\n' })
  })

  it('what it was doing: the last messages, which outlive its SIGKILL, and none of what they carried', async () => {
    const cluster = await start()
    const exit = exitOf(cluster)
    for (let index = 0; index < 50; index++) await cluster.call(1, 'echo', ['the password'])
    const hung = rejection(WorkerGoneError, cluster.call(1, 'hang', [], { timeout: 60_000 }))
    await cluster.call(1, 'pid', [])
    sendSignal(cluster.workers.get(1)!.pid, 'SIGKILL')
    await hung
    const { recent } = await exit
    expect(recent).toHaveLength(64)
    const calls = recent.filter(({ kind }) => kind === 'invoke')
    expect(calls.at(-2)).toMatchObject({ from: 'primary', name: 'hang' })
    expect(calls.at(-1)).toMatchObject({ from: 'primary', name: 'pid' })
    const answered = new Set(recent.filter(({ kind }) => kind === 'result').map(({ id }) => id))
    expect(calls.filter(({ id }) => !answered.has(id)).map(({ name }) => name)).toEqual(['hang'])
    expect(recent.every(({ ago }, index) => ago <= (recent[index - 1]?.ago ?? Number.POSITIVE_INFINITY))).toBe(true)
    expect(JSON.stringify(recent)).not.toContain('password')
  })

  it('what it was doing for other workers, and they for it, over direct links', async () => {
    const cluster = await startCluster<{ worker: DirectMethods; primary: object }>({
      exec: fixture('direct-worker'),
      workers: 2,
    })
    await cluster.call(1, 'within', [2, 300])
    await cluster.call(2, 'within', [1, 20])
    const hung = cluster.call(1, 'outcomes', [2, 'never', 3, 20_000], { timeout: 30_000 })
    await expect.poll(() => cluster.workers.get(2)?.calls, SOON).toBe(3)
    const exit = exitOf(cluster)
    sendSignal(cluster.workers.get(2)!.pid, 'SIGKILL')
    const { recent } = await exit
    await hung
    expect(recent).toHaveLength(64)
    const direct = recent.filter(({ peer }) => peer === 1)
    expect(direct.slice(-3)).toMatchObject(Array(3).fill({ from: 'peer', kind: 'invoke', name: 'never' }))
    expect(direct.filter(({ kind, from }) => kind === 'invoke' && from === 'worker').length).toBeGreaterThan(5)
    const answers = direct.filter(({ kind, from }) => kind === 'result' && from === 'peer')
    expect(answers.length).toBeGreaterThan(5)
    const asked = new Set(direct.filter(({ kind, from }) => kind === 'invoke' && from === 'worker').map(({ id }) => id))
    // The question of the first answer may be older than what is kept.
    for (const { id } of answers.slice(1)) expect(asked).toContain(id)
    expect(recent.every(({ ago }, index) => ago <= (recent[index - 1]?.ago ?? Number.POSITIVE_INFINITY))).toBe(true)
  })

  it('its end is told soon when who could tell of it is frozen', async () => {
    const cluster = await startCluster<{ worker: DirectMethods; primary: object }>({
      exec: fixture('direct-worker'),
      workers: 2,
    })
    await cluster.call(1, 'within', [2, 300])
    const exit = exitOf(cluster)
    const witness = cluster.workers.get(1)!.pid
    sendSignal(witness, 'SIGSTOP')
    const killed = performance.now()
    sendSignal(cluster.workers.get(2)!.pid, 'SIGKILL')
    const { recent } = await exit
    // 50 ms of waiting, and what a busy machine may add; its calls would hang for 5 s.
    expect(performance.now() - killed).toBeLessThan(2_000)
    sendSignal(witness, 'SIGCONT')
    expect(recent.filter(({ peer }) => peer !== undefined)).toEqual([])
  })

  it('an orderly end says that it was asked for', async () => {
    const cluster = await start()
    const exit = exitOf(cluster)
    await cluster.stop()
    expect(await exit).toMatchObject({ intended: true, outOfMemory: 'no' })
  })
})
