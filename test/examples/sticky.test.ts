import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { type ExampleProcess, isAlive, startExample } from './example.process.js'
import { HttpConnection } from './http-connection.js'

const connections: HttpConnection[] = []
let example: ExampleProcess
let url: string

beforeAll(async () => {
  example = startExample('sticky', { PORT: '0' })
  const [, port] = await example.printed(/Listening on .*port: (\d+)/)
  await example.printed(/Worker 4 is process/)
  url = `http://127.0.0.1:${port}`
})
afterEach(() => {
  for (const connection of connections.splice(0)) connection.close()
})
afterAll(() => example?.stop())

/** A visit from an address, over a new connection. */
async function visit(address: string): Promise<{ count: number; pid: number }> {
  const connection = new HttpConnection(url, { localAddress: address })
  connections.push(connection)
  const { status, body } = await connection.send('GET', '/')
  expect(status).toBe(200)
  const [, count, from, pid] = /^Visit (\d+) from (\S+), served by process (\d+)\n$/.exec(body) ?? []
  expect(from).toBe(address)
  return { count: Number(count), pid: Number(pid) }
}

const addresses = Array.from({ length: 16 }, (_, index) => `127.0.0.${index + 1}`)

it('serves each address by one worker, which remembers it, and all addresses by all workers', async () => {
  const pids = new Set<number>()
  for (const address of addresses) {
    const first = await visit(address)
    pids.add(first.pid)
    expect(first.count).toBe(1)
    expect(await visit(address)).toEqual({ count: 2, pid: first.pid })
    expect(await visit(address)).toEqual({ count: 3, pid: first.pid })
  }
  expect(pids.size).toBe(4)
})

it('goes on when a worker is killed: its clients find its replacement', async () => {
  const { pid } = await visit(addresses[0]!)
  const from = example.output().length
  process.kill(pid, 'SIGKILL')
  await example.printed(/Listening on/, from)
  await expect.poll(() => visit(addresses[0]!)).toMatchObject({ count: 2 })
  const next = await visit(addresses[0]!)
  expect(next.pid).not.toBe(pid)
})

it('ends on SIGTERM with exit code 0, and leaves no process behind', async () => {
  const pids = [...example.output().matchAll(/Worker \d is process (\d+)/g)].map((match) => Number(match[1]))
  expect(await example.stop()).toEqual({ code: 0, signal: null })
  expect(pids.filter(isAlive)).toEqual([])
})
