import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type ClientRequest, get, type IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { REAPER_NAME } from '../../src/runtime/supervision/reaper.js'
import { REAPER_SCRIPT } from '../../src/runtime/supervision/reaper-script.js'
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
import type { Contract } from './fixtures/sup-worker.js'

afterEach(endAll)

/** The promise: so long after the primary's death no worker of it is alive. */
const GONE_WITHIN = 2_000

async function startPrimary(options: object): Promise<Program> {
  const program = new Program(fixture('sup-primary'), [JSON.stringify({ workers: 2, ...options })])
  await program.line('started')
  return program
}

/** Kills the primary as the kernel would, and waits for its workers to follow. */
async function killPrimary(program: Program): Promise<void> {
  program.kill('SIGKILL')
  await nobodyLeft(GONE_WITHIN)
}

/** Waits until nobody listens there: a process that has ended for `/proc` may have its sockets for a moment yet. */
async function expectFree(port: number): Promise<void> {
  const listens = async (): Promise<boolean> => {
    const server = createServer().listen(port)
    const listening = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    server.close()
    return listening
  }
  await expect.poll(listens, { ...SOON, timeout: GONE_WITHIN }).toBe(true)
}

describe('when the primary is killed with SIGKILL, two seconds later', () => {
  it('idle workers are gone', async () => {
    await killPrimary(await startPrimary({ exec: './sup-worker.js' }))
  })

  it('workers that serve open connections are gone, and their port is free', async () => {
    const port = await freePort()
    const program = await startPrimary({
      exec: './sup-worker.js',
      ready: 'listen',
      env: { SUP_LISTEN: String(port), SUP_KEEP_ALIVE: '120000' },
    })
    const requests: ClientRequest[] = []
    const ended: Promise<unknown>[] = []
    for (const path of ['/hold', '/head', '/hold', '/head']) {
      const request = get({ port, host: '127.0.0.1', path, agent: false })
      request.on('response', (response: IncomingMessage) => response.resume().on('error', () => {}))
      ended.push(once(request, 'close').catch(() => {}))
      requests.push(request)
    }
    await expect.poll(() => program.lines.filter((line) => 'message' in line).length, SOON).toBe(4)
    await killPrimary(program)
    // Nor does a client wait any longer.
    await Promise.all(ended)
    await expectFree(port)
  })

  it('workers that accept from the shared handle are gone, and their port is free', async () => {
    const port = await freePort()
    const program = await startPrimary({ exec: './sup-plain.js', args: [String(port)], ready: 'listen', balance: 'os' })
    await killPrimary(program)
    await expectFree(port)
  })

  it('workers that never joined are gone', async () => {
    const port = await freePort()
    await killPrimary(await startPrimary({ exec: './sup-plain.js', args: [String(port)], ready: 'listen' }))
    await expectFree(port)
  })

  it('workers in the middle of their start are gone', async () => {
    const orders = { exec: './sup-boot.js', args: ['never'], workers: 2, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }
    const justForked = new Program(fixture('sup-primary'), [JSON.stringify(orders)])
    await expect.poll(() => leftBehind().length, { ...SOON, interval: 1 }).toBeGreaterThanOrEqual(2)
    await killPrimary(justForked)

    const waiting = new Program(fixture('sup-primary'), [JSON.stringify(orders)])
    await expect.poll(() => waiting.stderr, SOON).toBe('starting to never\n'.repeat(2))
    await killPrimary(waiting)
  })

  it('workers that block their event loop are gone', async () => {
    const program = new Program(fixture('sup-primary'), [
      JSON.stringify({
        exec: './sup-boot.js',
        args: ['block'],
        workers: 1,
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      }),
    ])
    await expect.poll(() => program.stderr, SOON).toContain('starting to block')
    await killPrimary(program)
  })
})

describe('the reaper', () => {
  const blocking = { exec: './sup-boot.js', args: ['block'], workers: 1, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }

  it('ends with the workers of a primary that was killed', async () => {
    const program = await startPrimary({ exec: './sup-worker.js' })
    expect(reapersOf(program.pid)).toHaveLength(1)
    await killPrimary(program)
    await expect.poll(() => reapersOf(program.pid), SOON).toEqual([])
  })

  it('ends with a cluster that is stopped', async () => {
    const before = reapersOf(process.pid)
    const cluster = await startCluster({ exec: fixture('sup-worker') })
    expect(reapersOf(process.pid).length).toBe(before.length + 1)
    await cluster.stop()
    await expect.poll(() => reapersOf(process.pid), SOON).toEqual(before)
  })

  it('stays when a terminal or systemd sends it a signal', async () => {
    const program = new Program(fixture('sup-primary'), [JSON.stringify(blocking)])
    await expect.poll(() => program.stderr, SOON).toContain('starting to block')
    const [reaper = 0] = reapersOf(program.pid)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) sendSignal(reaper, signal)
    await killPrimary(program)
  })

  it('is started again when it is killed, and knows every worker', async () => {
    const program = new Program(fixture('sup-primary'), [JSON.stringify(blocking)])
    await expect.poll(() => program.stderr, SOON).toContain('starting to block')
    const [first = 0] = reapersOf(program.pid)
    sendSignal(first, 'SIGKILL')
    await expect.poll(() => reapersOf(program.pid).filter((pid) => pid !== first), SOON).toHaveLength(1)
    // The turn of the loop that started it is over, and has told it of the worker.
    program.kill('SIGCONT')
    await program.line('turn')
    await killPrimary(program)
  })

  it('is not started again without end: the primary says so', async () => {
    const program = await startPrimary({ exec: './sup-worker.js' })
    const killed = new Set<number>()
    while (!program.stderr.includes('cannot be kept running')) {
      for (const pid of reapersOf(program.pid)) {
        killed.add(pid)
        sendSignal(pid, 'SIGKILL')
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    expect(killed.size).toBe(4)
  })

  it('does not kill a process that has got the pid of a worker that ended', async ({ skip }) => {
    const worker = spawn('sleep', ['60'], { stdio: 'ignore' })
    // Traced: it says when it knows who has that pid now.
    const reaper = spawn('/bin/sh', ['-x', '-c', REAPER_SCRIPT, REAPER_NAME, 'test'])
    reaper.stdout.resume()
    let trace = ''
    reaper.stderr.on('data', (text) => {
      trace += text
    })
    reaper.stdin.write(`+ ${worker.pid}\n`)
    await expect.poll(() => trace, SOON).toContain(` ${worker.pid}:`)
    worker.kill('SIGKILL')
    await once(worker, 'exit')
    const innocent = await startWithPid(worker.pid!)
    reaper.stdin.end()
    await once(reaper, 'exit')
    if (!innocent) skip('this system does not let a test choose a pid')
    expect(await endByHand(innocent!)).toBe('SIGTERM')
  })

  it('kills by the script alone what it was told of and what still runs', async () => {
    const worker = spawn('sleep', ['60'], { stdio: 'ignore' })
    const spared = spawn('sleep', ['60'], { stdio: 'ignore' })
    const reaper = spawn('/bin/sh', ['-c', REAPER_SCRIPT, REAPER_NAME, 'test'], { stdio: ['pipe', 'ignore', 'ignore'] })
    const [killed, ended] = [once(worker, 'exit'), once(reaper, 'exit')]
    reaper.stdin.end(`+ ${worker.pid}\n+ ${spared.pid}\n- ${spared.pid}\n`)
    expect(await killed).toEqual([null, 'SIGKILL'])
    await ended
    expect(await endByHand(spared)).toBe('SIGTERM')
  })
})

/** The reapers that wait for that process. */
function reapersOf(primary: number): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => isAlive(pid) && read(`/proc/${pid}/cmdline`).endsWith(`\0${REAPER_NAME}\0${primary}\0`))
}

/** Ends it with SIGTERM, and says what it ended of: a SIGKILL that came before counts first. */
async function endByHand(child: ChildProcess): Promise<NodeJS.Signals | null> {
  child.kill('SIGTERM')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.signalCode
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

/** A process with that pid, which is free; `undefined` where the system gives out its own. */
async function startWithPid(pid: number): Promise<ChildProcess | undefined> {
  for (let attempt = 0; attempt < 50; attempt++) {
    try {
      writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1))
    } catch {
      return undefined
    }
    const child = spawn('sleep', ['60'], { stdio: 'ignore' })
    if (child.pid === pid) return child
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  return undefined
}

describe('a program that a worker forks', () => {
  it.each(['look', 'join', 'create'])('inherits nothing of the cluster, and can %s on its own', async (what) => {
    const cluster = await startCluster<Contract>({ exec: fixture('sup-worker'), workers: 1 })
    const file = fileURLToPath(fixture('sup-forked'))
    const report = (await cluster.call(1, 'fork', [file, [what]], { timeout: 15_000 })) as Record<string, unknown>
    expect(report).toMatchObject({
      variables: [],
      isPrimary: true,
      preloaded: false,
      listeners: { SIGINT: 0, SIGTERM: 0 },
      ...(what === 'join' && { joined: { id: 1, twice: 42, workers: 1 } }),
      ...(what === 'create' && { created: { state: 'ready', worker: expect.any(Number) } }),
    })
    // Its own worker has ended with it, and the cluster has not noticed anything.
    await expect.poll(() => leftBehind(), SOON).toEqual([cluster.workers.get(1)?.pid])
    expect(cluster.processes.size).toBe(1)
  })
})
