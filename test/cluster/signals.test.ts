import { get } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.js'
import {
  endAll,
  fixture,
  isAlive,
  leftBehind,
  nobodyLeft,
  Program,
  SOON,
  sendSignal,
  startCluster,
} from '../support/processes.js'
import { Release } from '../support/release.js'
import type { Contract } from './fixtures/sup-worker.js'

afterEach(endAll)

/** A primary of its own with two workers. */
async function startPrimary(options: object = {}) {
  const program = new Program(fixture('sup-primary'), [
    JSON.stringify({ exec: './sup-worker.js', workers: 2, signals: true, timeouts: { settle: 0 }, ...options }),
  ])
  const { started, handlers } = await program.line('started')
  return { program, workers: started as number[], handlers }
}

/** A primary whose worker 1 holds a request, so that a stop lasts until `end` is called. */
async function startHeld(options: object = {}) {
  const port = await freePort()
  const held = await startPrimary({ ready: 'listen', env: { SUP_LISTEN: String(port) }, ...options })
  const answer = new Promise<string>((resolve) => {
    get({ port, host: '127.0.0.1', path: '/hold' }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.once('end', () => resolve(body))
    }).once('error', (error: NodeJS.ErrnoException) => resolve(`failed: ${error.code}`))
  })
  await held.program.line('message')
  const end = (): void => {
    for (const pid of held.workers) sendSignal(pid, 'SIGUSR2')
  }
  return { ...held, answer, end }
}

/** Who has exited so far, and how, as the events tell. */
function exits(program: Program): { intended: boolean; signal: string | null }[] {
  return program.lines.flatMap(({ exit }) => (exit ? [exit as { intended: boolean; signal: string | null }] : []))
}

const ORDERLY = { code: 0, signal: null }

describe('with signals: true', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    '%s to the primary stops the cluster in order, with exit code 0',
    async (signal) => {
      const { program, answer, end } = await startHeld()
      program.kill(signal)
      expect(await program.line('draining')).toEqual({ draining: ['draining', 'draining'] })
      end()
      expect(JSON.parse(await answer)).toMatchObject({ pid: expect.any(Number) })
      expect(await program.ended).toEqual(ORDERLY)
      expect(await program.line('closed')).toEqual({ closed: { reason: 'signal', signal } })
      expect(exits(program)).toMatchObject([
        { intended: true, signal: 'SIGTERM' },
        { intended: true, signal: 'SIGTERM' },
      ])
      await nobodyLeft()
    },
  )

  it.each(['SIGINT', 'SIGTERM'] as const)(
    '%s to the whole process group is the same, led by the primary',
    async (signal) => {
      const { program, answer, end } = await startHeld()
      program.killGroup(signal)
      await program.line('draining')
      end()
      expect(JSON.parse(await answer)).toMatchObject({ pid: expect.any(Number) })
      expect(await program.ended).toEqual(ORDERLY)
      expect(exits(program)).toHaveLength(2)
      expect(exits(program).every(({ intended }) => intended)).toBe(true)
      expect(program.lines.some((line) => 'restart' in line)).toBe(false)
      await nobodyLeft()
    },
  )

  it('twice in quick succession is one press', async () => {
    const { program, answer, end } = await startHeld()
    program.killGroup('SIGINT')
    program.kill('SIGINT')
    await program.line('draining')
    end()
    expect(JSON.parse(await answer)).toMatchObject({ pid: expect.any(Number) })
    expect(await program.ended).toEqual(ORDERLY)
    await nobodyLeft()
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('a second %s a moment later is the fast stop, with exit code %i', async (signal, code) => {
    const { program, answer } = await startHeld()
    program.kill(signal)
    await program.line('draining')
    await program.line('moment')
    program.kill(signal)
    expect(await answer).toMatch(/^failed: /)
    expect(await program.ended).toEqual({ code, signal: null })
    expect(exits(program)).toMatchObject([{ signal: 'SIGKILL' }, { signal: 'SIGKILL' }])
    await nobodyLeft()
  })

  it('SIGHUP reloads', async () => {
    const { program, workers } = await startPrimary()
    program.kill('SIGHUP')
    await expect
      .poll(() => program.lines.filter(({ reload }) => (reload as { phase: string })?.phase === 'finished'), SOON)
      .toEqual([{ reload: { phase: 'finished', replaced: [1, 2], cut: 0, killed: 0 } }])
    await expect.poll(() => workers.filter(isAlive), SOON).toEqual([])
    program.kill('SIGTERM')
    expect(await program.ended).toEqual(ORDERLY)
  })

  it('SIGHUP to the whole process group reloads, too: the workers leave it to the primary', async () => {
    const { program } = await startPrimary()
    program.killGroup('SIGHUP')
    await expect
      .poll(() => program.lines.filter(({ reload }) => (reload as { phase: string })?.phase === 'finished'), SOON)
      .toHaveLength(1)
    expect(exits(program)).toMatchObject([
      { intended: true, signal: 'SIGTERM' },
      { intended: true, signal: 'SIGTERM' },
    ])
    program.kill('SIGTERM')
    expect(await program.ended).toEqual(ORDERLY)
  })

  it('SIGHUP to a release that fails is logged with the reason, and the old workers serve on', async () => {
    const release = new Release()
    const { program, workers } = await startPrimary({ exec: release.file })
    release.deploy('throws')
    program.kill('SIGHUP')
    await expect.poll(() => program.stderr, SOON).toContain('troupe error: the reload asked for by SIGHUP failed')
    expect(program.stderr).toMatch(
      /ReloadError: .*the old workers serve on\. Worker \d exited with code 1 before it was ready/,
    )
    expect(program.stderr).toContain('this release cannot start')
    expect(workers.map(isAlive)).toEqual([true, true])
    program.kill('SIGTERM')
    expect(await program.ended).toEqual(ORDERLY)
  })

  it('SIGHUP during the start reloads when it is over, and does not spoil later reloads', async () => {
    const program = new Program(fixture('sup-primary'), [
      JSON.stringify({ exec: './sup-worker.js', workers: 1, signals: true, timeouts: { settle: 0 } }),
    ])
    await program.line('primary')
    await expect.poll(() => leftBehind().length, SOON).toBe(2)
    program.kill('SIGHUP')
    await program.line('started')
    await program.line('reload')
    program.kill('SIGUSR2')
    await expect
      .poll(() => program.lines.filter((line) => 'reloaded' in line || 'refused' in line), SOON)
      .toEqual([{ reloaded: [expect.any(Number)] }])
    expect(program.stderr).not.toContain('troupe error')
  })

  it('a signal during the start ends it, and leaves nobody behind', async () => {
    const program = new Program(fixture('sup-primary'), [
      JSON.stringify({ exec: './sup-boot.js', args: ['never'], workers: 2, signals: true }),
    ])
    await program.line('primary')
    await expect.poll(() => leftBehind().length, SOON).toBe(3)
    program.killGroup('SIGINT')
    const { signal } = await program.ended
    expect(signal).toBe(null)
    expect(program.stderr).toMatch(/ClusterClosedError/)
    await nobodyLeft()
  })

  it('workers leave SIGINT and SIGTERM to the primary, and get them back for their own end', async () => {
    const { program, workers } = await startPrimary()
    for (const pid of workers) process.kill(pid, 'SIGINT')
    for (const pid of workers) process.kill(pid, 'SIGTERM')
    program.kill('SIGUSR2')
    await program.line('reloaded')
    // They have lived until the reload replaced them, and then ended by SIGTERM.
    expect(exits(program)).toMatchObject([
      { intended: true, signal: 'SIGTERM' },
      { intended: true, signal: 'SIGTERM' },
    ])
    program.kill('SIGTERM')
    expect(await program.ended).toEqual(ORDERLY)
  })

  it('the handlers go with the cluster', async () => {
    const before = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => process.listenerCount(name))
    const cluster = await startCluster({ exec: fixture('sup-worker'), workers: 1, signals: true })
    expect(['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => process.listenerCount(name))).toEqual(before.map((n) => n + 1))
    await cluster.stop()
    expect(['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => process.listenerCount(name))).toEqual(before)
  })
})

describe('without signals', () => {
  it('the library installs no handler, in the primary or in a worker', async () => {
    const { handlers } = await startPrimary({ signals: false })
    expect(handlers).toEqual([0, 0, 0])
    const cluster = await startCluster<Contract>({ exec: fixture('sup-worker'), workers: 1 })
    expect(await cluster.call(1, 'listeners', [])).toEqual({ SIGINT: 0, SIGTERM: 0, SIGHUP: 0 })
  })

  it('a signal ends the primary as it ends any program, and its workers follow', async () => {
    const { program } = await startPrimary({ signals: false })
    program.kill('SIGTERM')
    expect(await program.ended).toEqual({ code: null, signal: 'SIGTERM' })
    await nobodyLeft()
  })
})
