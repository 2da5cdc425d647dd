import { availableParallelism } from 'node:os'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { type ExampleProcess, isAlive, startExample } from './example.process.js'
import { HttpConnection, isConnectionError } from './http-connection.js'

const connections: HttpConnection[] = []
/** The process that answered last as each worker. */
const pids = new Map<number, number>()
let example: ExampleProcess
let url: string

beforeAll(async () => {
  example = startExample('minimal', { PORT: '0' })
  const [, port] = await example.printed(/listens on .*port: (\d+)/)
  url = `http://127.0.0.1:${port}`
})
afterEach(() => {
  for (const connection of connections.splice(0)) connection.close()
})
afterAll(() => example?.stop())

/** Opens connections until who has answered is what is wanted; keeps them, so that who has many gets no more. */
async function askUntil(isEnough: () => boolean): Promise<void> {
  const patience = AbortSignal.timeout(20_000)
  while (!isEnough()) {
    if (patience.aborted) throw new Error(`Only these have answered: ${JSON.stringify([...pids])}\n${example.output()}`)
    const connection = new HttpConnection(url)
    connections.push(connection)
    const answer = await connection.send('GET', '/').catch((error) => {
      if (!isConnectionError(error)) throw error
    })
    if (!answer) continue
    expect(answer.status).toBe(200)
    const [, id, pid] = /^Hello from worker (\d+), process (\d+)\n$/.exec(answer.body) ?? []
    pids.set(Number(id), Number(pid))
  }
}

it('serves one port from every core, and calls every worker by its id', async () => {
  await askUntil(() => pids.size === availableParallelism())
  expect([...pids.keys()].sort((a, b) => a - b)).toEqual(Array.from(pids, (_, index) => index + 1))
  for (const [id, pid] of pids)
    await example.printed(RegExp(`Worker ${id} says: Hello, primary! This is process ${pid}.`))
})

it('still answers when a worker is killed, and the worker comes back', async () => {
  const killed = pids.get(1)!
  const from = example.output().length
  process.kill(killed, 'SIGKILL')
  pids.clear()
  await askUntil(() => pids.size > 0)
  await example.printed(/Worker 1 listens/, from)
  await askUntil(() => pids.get(1) !== undefined && pids.get(1) !== killed)
  expect(isAlive(killed)).toBe(false)
})

it('replaces every worker on SIGHUP', async () => {
  await askUntil(() => pids.size === availableParallelism())
  const replaced = new Map(pids)
  // Otherwise each worker waits until its connections have been idle for long enough.
  for (const connection of connections.splice(0)) connection.close()
  const from = example.output().length
  process.kill(example.pid, 'SIGHUP')
  for (const id of replaced.keys()) await example.printed(RegExp(`Worker ${id} listens`), from)
  await askUntil(() => [...replaced].every(([id, pid]) => pids.get(id) !== pid))
})

it('ends on SIGTERM with exit code 0, and leaves neither a process nor the port behind', async () => {
  expect(await example.stop()).toEqual({ code: 0, signal: null })
  expect([...pids.values()].filter(isAlive)).toEqual([])
  await expect(new HttpConnection(url).send('GET', '/')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})
