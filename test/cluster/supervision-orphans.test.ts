import { once } from 'node:events'
import { type ClientRequest, get, type IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { endAll, fixture, freePort, leftBehind, nobodyLeft, Program, SOON, startCluster } from '../support/processes.js'
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

/** Fails when somebody still listens there. */
async function expectFree(port: number): Promise<void> {
  const server = createServer().listen(port)
  await once(server, 'listening')
  server.close()
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

  // Nobody but the worker itself ends it so far, and it does not look.
  it.fails('workers that block their event loop are gone', async () => {
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
