import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openStore } from '../../examples/cache/store.js'
import { connectToEach, describeReport, KEYS, runLoad, type WorkerConnection } from './cache.load.js'
import { type ExampleProcess, isAlive, startExample } from './example.process.js'

const WORKERS = 4
const directory = mkdtempSync(join(tmpdir(), 'troupe-cache-'))
const JSON_BODY = (value: unknown) => ({
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})

let example: ExampleProcess
let url: string
let database: string
const open: WorkerConnection[] = []

async function start(name: string, env: Record<string, string> = {}): Promise<void> {
  database = join(directory, `${name}.db`)
  example = startExample('cache', { PORT: '0', WORKERS: String(WORKERS), DATABASE: database, ...env })
  const [, origin] = await example.printed(/Items of .* on (http:\S+)\/items/)
  url = origin!
}

async function connect(perWorker: number): Promise<WorkerConnection[]> {
  const connections = await connectToEach(url, WORKERS, perWorker)
  open.push(...connections)
  return connections
}

/** The process that is worker `id` now. */
function pidOf(id: number): number {
  return Number([...example.output().matchAll(RegExp(`Worker ${id} is process (\\d+)`, 'g'))].at(-1)![1])
}

async function versionAt({ http }: WorkerConnection, key: string): Promise<{ version?: number; source: string }> {
  const { body, headers } = await http.send('GET', `/items/${key}`)
  return { version: JSON.parse(body).version, source: String(headers['x-cache']) }
}

afterEach(() => {
  for (const { http } of open.splice(0)) http.close()
})
afterAll(() => rmSync(directory, { recursive: true }))

describe('with invalidation', () => {
  beforeAll(() => start('on'))
  afterAll(() => example.stop())

  it('never serves, once a write has answered, what was there before it', async () => {
    const report = await runLoad({ connections: await connect(4), requests: 8_000 })
    console.log(describeReport('With invalidation', report))
    expect(report.stale).toEqual([])
    expect([...report.workers].sort()).toEqual([1, 2, 3, 4])
    expect(report.broken).toBe(0)
    // Otherwise nothing was shown.
    expect(report.hits).toBeGreaterThan(report.reads / 10)
    expect(report.writes).toBeGreaterThan(500)
  })

  it('serves nothing stale while workers are killed in the middle of the load', async () => {
    const before = example.output().length
    const victims = new Map([1, 2, 3].map((id) => [id * 2_000, id]))
    const report = await runLoad({
      connections: await connect(4),
      requests: 8_000,
      onRequest(sent) {
        const victim = victims.get(sent)
        if (victim) process.kill(pidOf(victim), 'SIGKILL')
      },
    })
    console.log(describeReport('With three workers killed', report))
    expect(report.stale).toEqual([])
    expect(report.hits).toBeGreaterThan(report.reads / 10)
    for (const id of victims.values()) {
      await example.printed(RegExp(`Worker ${id} ended \\(SIGKILL\\)`), before)
      await example.printed(RegExp(`Worker ${id} is process`), before)
    }

    // Also what a worker wrote in its last moment, and could tell nobody, has reached all.
    const connections = await connect(1)
    await connections[0]!.http.send('PUT', '/items/after', JSON_BODY(0))
    for (const key of KEYS) {
      const versions = await Promise.all(connections.map((connection) => versionAt(connection, key)))
      expect(new Set(versions.map(({ version }) => version)).size, key).toBe(1)
    }
  })

  it('forgets everything when a worker dies: it may have written and told nobody', async () => {
    const connections = await connect(1)
    const [victim, ...others] = connections
    await victim!.http.send('PUT', '/items/orphan', JSON_BODY('old'))
    for (const connection of connections) await versionAt(connection, 'orphan')
    const { version } = await versionAt(others[0]!, 'orphan')

    // What the victim does in its last moment, done for it: a write without a message.
    const store = openStore(database)
    const written = store.write('orphan', '"new"')
    store.close()
    expect(await versionAt(others[0]!, 'orphan')).toEqual({ version, source: 'hit' })

    const from = example.output().length
    process.kill(pidOf(victim!.worker), 'SIGKILL')
    await example.printed(RegExp(`Worker ${victim!.worker} ended`), from)
    // Its answer is behind the news of the death, in every worker.
    expect((await others[0]!.http.send('PUT', '/items/after', JSON_BODY(1))).status).toBeLessThan(300)
    for (const connection of others)
      expect(await versionAt(connection, 'orphan')).toEqual({ version: written.version, source: 'miss' })
    await example.printed(RegExp(`Worker ${victim!.worker} is process`), from)
  })

  it('answers 503, and not success, while a worker cannot confirm', async () => {
    const [healthy, stopped] = await connect(1)
    const pid = pidOf(stopped!.worker)
    process.kill(pid, 'SIGSTOP')
    try {
      const { status, headers, body } = await healthy!.http.send('PUT', '/items/slow', JSON_BODY(1))
      expect([status, headers['retry-after']]).toEqual([503, '1'])
      expect(JSON.parse(body).error).toMatchObject({
        code: 'not-confirmed',
        stored: true,
        workers: [stopped!.worker],
        message: `The change of slow is stored, but worker ${stopped!.worker} has not confirmed it and may serve the old item. Repeat the request`,
      })
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    const repeated = await healthy!.http.send('PUT', '/items/slow', JSON_BODY(2))
    expect(repeated.status).toBe(200)
    expect((await versionAt(stopped!, 'slow')).version).toBe(JSON.parse(repeated.body).version)
  })

  it('ends on SIGTERM with exit code 0, and leaves no process behind', async () => {
    const pids = [1, 2, 3, 4].map(pidOf)
    expect(await example.stop()).toEqual({ code: 0, signal: null })
    expect(pids.filter(isAlive)).toEqual([])
  })
})

describe('without invalidation', () => {
  beforeAll(() => start('off', { INVALIDATION: 'off' }))
  afterAll(() => example.stop())

  it('serves stale items under the same load, so that the check above can fail', async () => {
    const report = await runLoad({ connections: await connect(4), requests: 4_000 })
    console.log(describeReport('Without invalidation', report))
    expect(report.stale.length).toBeGreaterThan(0)
  })
})
