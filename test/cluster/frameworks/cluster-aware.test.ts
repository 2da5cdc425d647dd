import nodeCluster from 'node:cluster'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { PassThrough } from 'node:stream'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { freePort } from '../../support/free-port.js'
import { endAll, SOON } from '../../support/processes.js'
import type { Aware } from '../fixtures/frameworks/aware.js'
import { reachAll, runApp } from './app.js'
import { type AskedCluster, nodeWorker, startAsked } from './asking.js'
import { HttpClient } from './http-client.js'

afterEach(endAll)

async function start(): Promise<AskedCluster<Aware> & { port: number }> {
  const port = await freePort()
  const options = { env: { PORT: String(port) }, ready: 'listen', args: ['an argument'] } as const
  return { ...(await startAsked<Aware>('aware', options)), port }
}

/** What the test itself says to the program, and what is answered. */
const isQuestion = (message: unknown): boolean => Object.hasOwn(Object(message), 'question')

function open(port: number): HttpClient {
  const client = new HttpClient(port)
  onTestFinished(() => client.close())
  return client
}

describe('a program that was written for node:cluster', () => {
  it('is a worker here, with what node says of workers', async () => {
    const started = await start()
    for (const id of [1, 2]) {
      expect(await started.ask(id, 'whoAmI')).toEqual({
        isPrimary: false,
        isWorker: true,
        id: nodeWorker(started.cluster, id).id,
        isConnected: true,
        isDead: false,
        isOwnProcess: true,
        hasWorkers: false,
        uniqueId: 'not in the environment',
        args: ['an argument'],
      })
    }
    await reachAll(started, () => open(started.port))
  })

  it('says to its primary what it likes, and hears what is said to it, and nothing of ours', async () => {
    const started = await start()
    const { cluster, ask } = started
    const said: unknown[] = []
    nodeWorker(cluster, 1).on('message', (message) => said.push(message))
    const messages = [{ cmd: 'shutdown' }, { type: 'process:msg', data: { deep: [1, null, 'x'] } }, { troupe: true }]
    for (const message of messages) expect(await ask(1, 'say', message)).toBe('sent')
    await ask(1, 'sayAsWorker', { as: 'worker' })
    await expect.poll(() => said, SOON).toEqual(expect.arrayContaining([...messages, { as: 'worker' }]))
    expect(said.filter((message) => !Object.hasOwn(message as object, 'question'))).toHaveLength(4)

    for (const message of ['text', 7, true, { nested: { list: [1, 2] } }]) nodeWorker(cluster, 1).send(message)
    await reachAll(started, () => open(started.port))
    for (const heard of await ask(1, 'heard'))
      expect(heard.filter((message) => !isQuestion(message))).toEqual(['text', 7, true, { nested: { list: [1, 2] } }])
  })

  it('can leave with worker.disconnect(): what it has is answered, the others get what comes', async () => {
    const started = await start()
    const { cluster, ask, port } = started
    const [first, second] = [...cluster.workers.values()].map(({ pid }) => pid)
    const nodeId = nodeWorker(cluster, 1).id
    const exit = new Promise<{ pid: number }>((resolve) => cluster.on('exit', resolve))
    const clients = await reachAll(started, () => open(port))
    const pids = await Promise.all(clients.map((client) => client.pid()))
    // Under way until its body has ended.
    const body = new PassThrough()
    body.write('from here')
    const busy = clients[pids.indexOf(first!)]!
    const answer = busy.send('POST', '/', body)
    for (const client of clients) if (client !== busy) client.close()
    await expect.poll(() => ask(1, 'requests'), SOON).toBe(1)
    await ask(1, 'disconnect')
    expect(await open(port).pid()).toBe(second)
    body.end(' to there')
    expect((await answer).body.toString()).toBe(`hello world from ${nodeId}\n`)
    busy.close()
    expect(await exit).toMatchObject({ id: 1, pid: first })
    await expect.poll(() => cluster.workers.get(1), SOON).toMatchObject({ state: 'ready' })
    await reachAll({ cluster }, () => open(port))
  })

  it("gets the events of its workers at node's own cluster, in the primary", async () => {
    const seen: string[] = []
    const tell = (name: string) => () => void seen.push(name)
    const listeners = ['fork', 'online', 'listening', 'disconnect', 'exit'].map((name) => [name, tell(name)] as const)
    for (const [name, listener] of listeners) nodeCluster.on(name, listener)
    onTestFinished(() => {
      for (const [name, listener] of listeners) nodeCluster.off(name, listener)
    })
    const { cluster } = await runApp('aware', { workers: 1 })
    await cluster.stop()
    expect(seen).toEqual(['fork', 'online', 'listening', 'disconnect', 'exit'])
  })
})

describe('a primary that accepts connections itself, and sends them to its workers', () => {
  it('still can, beside what Troupe does', async () => {
    const { cluster } = await runApp('handed')
    let next = 0
    const server = createServer({ pauseOnConnect: true }, (connection) => {
      const ids = [...cluster.workers.keys()]
      nodeWorker(cluster, ids[next++ % ids.length]!).send('sticky-session:connection', connection)
    })
    onTestFinished(() => void server.close())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const clients = await reachAll({ cluster }, () => open(port))
    expect(clients).toHaveLength(2)
    for (const client of clients) {
      const { body } = await client.send('GET', '/')
      expect(JSON.parse(body.toString())).toEqual({ address: '127.0.0.1' })
    }
  })
})
