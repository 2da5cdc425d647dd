import { get } from 'node:http'
import { setTimeout as after } from 'node:timers/promises'
import {
  type ClusterEvents,
  type ClusterOptions,
  type ExitEvent,
  type PrimaryCluster,
  type UnhealthyEvent,
  WorkerGoneError,
} from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.js'
import { rejection } from '../support/outcome.js'
import { endAll, fixture, leftBehind, Program, SOON, sendSignal, startCluster } from '../support/processes.js'
import type { Contract } from './fixtures/live-worker.js'

afterEach(endAll)

/** Quick, and yet no busy machine takes so long to give a worker its turn. */
const TIMEOUTS = { heartbeat: 800, blocked: 3_000 }

const quiet = { warn: () => {}, error: () => {} }

async function start(options: ClusterOptions<Contract> = {}) {
  const { timeouts, ...rest } = options
  const cluster = await startCluster<Contract>({
    exec: fixture('live-worker'),
    workers: 2,
    logger: quiet,
    timeouts: { ...TIMEOUTS, ...timeouts },
    ...rest,
  })
  const unhealthy: UnhealthyEvent[] = []
  cluster.on('unhealthy', (event) => unhealthy.push(event))
  return { cluster, unhealthy }
}

/** The next event of that name that is wanted. */
function next<E extends keyof ClusterEvents>(
  cluster: PrimaryCluster<Contract>,
  name: E,
  wanted: (detail: ClusterEvents[E]) => boolean = () => true,
): Promise<ClusterEvents[E]> {
  return new Promise((resolve) => {
    const off = cluster.on(name, (detail) => {
      if (!wanted(detail)) return
      off()
      resolve(detail)
    })
  })
}

const phase = (wanted: UnhealthyEvent['phase']) => (event: UnhealthyEvent) => event.phase === wanted
const state = (cluster: PrimaryCluster<Contract>, id: number) => cluster.workers.get(id)?.state

describe('a worker that blocks its event loop', () => {
  it('is out of rotation, its stack is told, and it comes back when it answers', async () => {
    const { cluster } = await start()
    const [missed, back] = [next(cluster, 'unhealthy', phase('missed')), next(cluster, 'unhealthy', phase('back'))]
    const { pid } = cluster.workers.get(1)!
    const spun = cluster.call(1, 'spin', [2_500], { timeout: 20_000 })
    spun.catch(() => {})

    expect(await missed).toMatchObject({ id: 1, pid, inRotation: false, activity: 'running', reason: undefined })
    expect((await missed).silent).toBeGreaterThanOrEqual(TIMEOUTS.heartbeat)
    expect((await missed).stack).toMatch(
      /^(?: {4}at .+\n)*? {4}at spinHere \(file:.*live-worker\.js:\d+:\d+\)\n {4}at spin /,
    )
    expect(state(cluster, 1)).toBe('unhealthy')
    // Whoever does not care who answers gets the other one; whoever names it waits.
    const others = await Promise.all(Array.from({ length: 20 }, () => cluster.call('any', 'pid', [])))
    expect(new Set(others)).toEqual(new Set([cluster.workers.get(2)?.pid]))
    const named = cluster.call(1, 'pid', [], { timeout: 20_000 })

    expect(await back).toMatchObject({ id: 1, pid, inRotation: true })
    expect(await spun).toBe(pid)
    expect(await named).toBe(pid)
    expect(state(cluster, 1)).toBe('ready')
    expect(await cluster.call(1, 'inspector', [])).toBe('closed')
  })

  it.each([
    { how: 'lock', activity: 'sleeping', stack: /at lock / },
    { how: 'system', activity: 'sleeping', stack: undefined },
  ] as const)('in a wait ($how): as much is told as can be known, and no inspector stays open', async (expected) => {
    const { cluster } = await start({ timeouts: { blocked: 20_000 } })
    const missed = next(cluster, 'unhealthy', phase('missed'))
    // Longer than it is looked at.
    const waited = cluster.call(1, expected.how, [4_000], { timeout: 20_000 })
    const { activity, stack, reason } = await missed
    expect(activity).toBe(expected.activity)
    if (expected.stack) expect(stack).toMatch(expected.stack)
    else expect([stack, reason]).toEqual([undefined, expect.stringContaining('did not open')])
    await waited
    await expect.poll(() => cluster.call(1, 'inspector', []), SOON).toBe('closed')
    expect(state(cluster, 1)).toBe('ready')
  })

  it('whose program uses SIGUSR1 itself is not sent one', async () => {
    const { cluster } = await start()
    await cluster.call(1, 'useSigusr1', [])
    // Its next sign of life says so.
    await cluster.call(1, 'busy', [1, TIMEOUTS.heartbeat / 2])
    const missed = next(cluster, 'unhealthy', phase('missed'))
    void cluster.call(1, 'spin', [1_800]).catch(() => {})
    expect(await missed).toMatchObject({ stack: undefined, reason: expect.stringContaining('SIGUSR1') })
  })

  it('past the hard limit is killed with its stack, and replaced', async () => {
    const { cluster } = await start()
    const killed = next(cluster, 'unhealthy', phase('killed'))
    const exit = next(cluster, 'exit')
    const ready = next(cluster, 'ready')
    const { pid } = cluster.workers.get(1)!
    const spun = rejection(WorkerGoneError, cluster.call(1, 'spin', [60_000], { timeout: 60_000 }))

    expect(await killed).toMatchObject({ id: 1, pid, activity: 'running', stack: expect.stringContaining('spinHere') })
    expect((await killed).silent).toBeGreaterThanOrEqual(TIMEOUTS.blocked)
    expect(await exit).toMatchObject({ id: 1, pid, signal: 'SIGKILL', intended: false } satisfies Partial<ExitEvent>)
    expect(await spun).toMatchObject({ id: 1, pid, signal: 'SIGKILL' })
    expect(await ready).toMatchObject({ id: 1 })
    expect(await cluster.call(1, 'pid', [])).not.toBe(pid)
  })

  it('is looked at without a trace in what it writes; a SIGUSR1 of somebody else leaves its own', async () => {
    const { cluster } = await start()
    const [missed, back] = [next(cluster, 'unhealthy', phase('missed')), next(cluster, 'unhealthy', phase('back'))]
    const exits: ExitEvent[] = []
    cluster.on('exit', (exit) => exits.push(exit))
    const spun = cluster.call(1, 'spin', [1_800, 'before\n'], { timeout: 20_000 })
    expect(await missed).toMatchObject({ stack: expect.stringContaining('spinHere') })
    await back
    await spun
    await cluster.call(1, 'say', ['after'])
    sendSignal(cluster.workers.get(2)!.pid, 'SIGUSR1')
    await expect.poll(() => cluster.call(2, 'inspector', []), SOON).toMatch(/^ws:/)
    for (const { pid } of [...cluster.workers.values()]) sendSignal(pid, 'SIGKILL')
    await expect.poll(() => exits.length, SOON).toBe(2)
    const [looked, asked] = exits.sort((a, b) => a.id - b.id)
    expect(looked?.output).toBe('before\nafter\n')
    expect(asked?.output).toMatch(/^Debugger listening on ws:.*\nFor help, see: .*\n$/)
  })

  it('gets no connection while it is blocked', async () => {
    const port = await freePort()
    const { cluster } = await start({ ready: 'listen', env: { LIVE_PORT: String(port) }, balance: 'random' })
    const missed = next(cluster, 'unhealthy', phase('missed'))
    void cluster.call(1, 'spin', [2_700], { timeout: 20_000 }).catch(() => {})
    await missed
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(port)))
    expect(new Set(answers)).toEqual(new Set([String(cluster.workers.get(2)?.pid)]))
    expect(state(cluster, 1)).toBe('unhealthy')
  })
})

describe('a worker that is stopped (SIGSTOP)', () => {
  it('has no stack, and is told to be stopped; thawed, it is back', async () => {
    const { cluster } = await start()
    const [missed, back] = [next(cluster, 'unhealthy', phase('missed')), next(cluster, 'unhealthy', phase('back'))]
    const { pid } = cluster.workers.get(2)!
    sendSignal(pid, 'SIGSTOP')
    expect(await missed).toMatchObject({
      id: 2,
      activity: 'stopped',
      stack: undefined,
      reason: expect.stringContaining('SIGSTOP'),
    })
    sendSignal(pid, 'SIGCONT')
    expect(await back).toMatchObject({ id: 2, pid })
    expect(await cluster.call(2, 'pid', [])).toBe(pid)
  })

  it('is killed past the hard limit and replaced', async () => {
    const { cluster } = await start()
    const ready = next(cluster, 'ready')
    const { pid } = cluster.workers.get(2)!
    sendSignal(pid, 'SIGSTOP')
    expect((await ready).pid).not.toBe(pid)
  })
})

describe('what is not taken for death', () => {
  it('a worker that is busy for long, a turn at a time', async () => {
    const { cluster, unhealthy } = await start()
    await cluster.call(1, 'busy', [16, 250], { timeout: 30_000 })
    expect(unhealthy).toEqual([])
  })

  it('the last worker that serves keeps its place', async () => {
    const { cluster } = await start({ workers: 1 })
    const missed = next(cluster, 'unhealthy', phase('missed'))
    const spun = cluster.call(1, 'spin', [1_800], { timeout: 20_000 })
    expect(await missed).toMatchObject({ inRotation: true })
    expect(state(cluster, 1)).toBe('ready')
    await spun
  })

  it('a worker whose inspector is open', async () => {
    const { cluster, unhealthy } = await start({ execArgv: ['--inspect=127.0.0.1:0'], inspectPort: 0 })
    await cluster.call(1, 'spin', [2_000], { timeout: 20_000 })
    expect(unhealthy).toEqual([])
  })

  it('workers that a primary has not heard because it was stopped itself', async () => {
    const program = new Program(fixture('sup-primary'), [
      JSON.stringify({ exec: './live-worker.js', workers: 2, timeouts: TIMEOUTS }),
    ])
    const { started } = await program.line('started')
    program.kill('SIGSTOP')
    // The fault itself has to last: longer than any silence is borne.
    await after(TIMEOUTS.blocked + 500)
    program.kill('SIGCONT')
    // Whoever is silent from now on is the first to be missed, and the only one.
    const [, silent] = started as number[]
    sendSignal(silent!, 'SIGSTOP')
    expect(await program.line('unhealthy')).toMatchObject({ unhealthy: { pid: silent, phase: 'missed' } })
    expect(program.lines.filter((line) => 'unhealthy' in line || 'exit' in line)).toHaveLength(1)
    expect(leftBehind()).toEqual(expect.arrayContaining(started as number[]))
  })
})

it('never kills two at once: the second waits until the place of the first is filled', async () => {
  const { cluster } = await start({ workers: 3 })
  const log: string[] = []
  cluster.on('unhealthy', ({ phase, id }) => phase === 'killed' && log.push(`killed ${id}`))
  cluster.on('exit', ({ id }) => log.push(`exit ${id}`))
  cluster.on('ready', ({ id }) => log.push(`ready ${id}`))
  for (const id of [1, 2]) void cluster.call(id, 'spin', [60_000], { timeout: 60_000 }).catch(() => {})
  await expect.poll(() => log.length, SOON).toBe(6)
  const [first, second] = [log[0], log[3]].map((line) => line?.slice(-1))
  expect(log).toEqual(
    ['killed', 'exit', 'ready']
      .flatMap((word) => `${word} ${first}`)
      .concat(['killed', 'exit', 'ready'].map((word) => `${word} ${second}`)),
  )
  expect(first).not.toBe(second)
})

function ask(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part) => {
        text += part
      })
      response.on('end', () => resolve(text))
    })
    request.on('error', reject)
  })
}
