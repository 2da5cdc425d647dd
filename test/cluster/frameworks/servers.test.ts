import { once } from 'node:events'
import { createServer } from 'node:net'
import type { ClusterOptions } from 'troupe'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { freePort } from '../../support/free-port.js'
import { endAll, isAlive, SOON } from '../../support/processes.js'
import type { Listener } from '../fixtures/frameworks/listener.js'
import { reachAll } from './app.js'
import { type AskedCluster, startAsked } from './asking.js'
import { TcpClient } from './tcp-client.js'
import { WAYS, type Way } from './ways.js'

afterEach(endAll)

type Web = AskedCluster<Listener> & { port: number; pids: [number, number] }

/** A cluster whose workers both listen on one port, by the name of 'web'. */
async function startWeb(balance: ClusterOptions['balance']): Promise<Web> {
  const started = await startAsked<Listener>('listener', { balance, restart: { policy: 'temporary' } })
  const port = await freePort()
  await started.askAll('listen', 'web', port)
  const pids = [...started.cluster.workers.values()].map(({ pid }) => pid)
  return { ...started, port, pids: pids as [number, number] }
}

function connect(port: number): TcpClient {
  const client = new TcpClient({ port, host: '127.0.0.1' })
  onTestFinished(() => client.close())
  return client
}

/** Of connections that both workers have some of, those of each. */
async function connectBoth({ cluster, port, pids }: Web): Promise<[TcpClient[], TcpClient[]]> {
  const clients = await reachAll({ cluster }, () => connect(port))
  const served = await Promise.all(clients.map((client) => client.pid()))
  const of = (pid: number): TcpClient[] => clients.filter((_, index) => served[index] === pid)
  return [of(pids[0]), of(pids[1])]
}

describe.each<Way>([...WAYS, { way: 'accepted by any worker', balance: 'os' }])('$way,', ({ balance }) => {
  const start = (): Promise<Web> => startWeb(balance)

  describe('server.close() in a worker', () => {
    it('stops that one alone: what it has goes on, what comes is for the others', async () => {
      const web = await start()
      const [own, others] = await connectBoth(web)
      await web.ask(1, 'close', 'web')
      expect(await web.ask(1, 'isListening', 'web')).toBe(false)
      for (let next = 0; next < 8; next += 1) expect(await connect(web.port).pid()).toBe(web.pids[1])

      for (const { socket } of [...own, ...others]) socket.write('still there?')
      for (const client of [...own, ...others]) await expect.poll(() => client.received, SOON).toContain('still there?')
      expect(await web.ask(1, 'closed')).toEqual([])
      for (const client of own) client.close()
      await expect.poll(() => web.ask(1, 'closed'), SOON).toEqual(['web'])
    })

    it('can be followed by another listen(), elsewhere or at the same port', async () => {
      const web = await start()
      const elsewhere = await freePort()
      await web.ask(1, 'close', 'web')
      expect(await web.ask(1, 'listen', 'web', elsewhere)).toMatchObject({ port: elsewhere })
      expect(await connect(elsewhere).pid()).toBe(web.pids[0])
      expect(await connect(web.port).pid()).toBe(web.pids[1])

      await web.ask(1, 'close', 'web')
      expect(await web.ask(1, 'listen', 'web', web.port)).toMatchObject({ port: web.port })
      await connectBoth(web)
      await expect(connect(elsewhere).greeting).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    })

    it('before it is known where it listens is no mistake: it listens where it was told last', async () => {
      const { askAll, cluster } = await startAsked<Listener>('listener', { balance })
      const [first, then] = [await freePort(), await freePort()]
      expect(await askAll('listenTwice', 'web', first, then)).toMatchObject([{ port: then }, { port: then }])
      await reachAll({ cluster }, () => connect(then))
      await expect(connect(first).greeting).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    })

    it('by an AbortSignal that was given to listen() is one like any other', async () => {
      const { ask, askAll, cluster } = await startAsked<Listener>('listener', { balance })
      const port = await freePort()
      await askAll('listenUntilAborted', 'web', port)
      await reachAll({ cluster }, () => connect(port))
      await ask(1, 'abort', 'web')
      await expect.poll(() => ask(1, 'isListening', 'web'), SOON).toBe(false)
      for (let next = 0; next < 8; next += 1) expect(await connect(port).pid()).toBe(cluster.workers.get(2)?.pid)
    })

    it('in the last of them gives the port back: nobody is kept waiting there', async () => {
      const { askAll, port } = await start()
      await askAll('close', 'web')
      await expect.poll(() => connect(port).greeting.catch(({ code }) => code), SOON).toBe('ECONNREFUSED')
      const other = createServer().listen(port)
      await once(other, 'listening')
      other.close()
      await once(other, 'close')
      await askAll('listen', 'web', port)
      await connect(port).greeting
    })
  })

  describe('server.maxConnections in a worker', () => {
    it('is kept, and the connections that it has no room for are for the others', async () => {
      const web = await start()
      await web.ask(1, 'setMaxConnections', 'web', 1)
      const clients = Array.from({ length: 8 }, () => connect(web.port))
      const served = await Promise.all(clients.map((client) => client.pid()))
      expect(served.filter((pid) => pid === web.pids[0]).length).toBeLessThanOrEqual(1)
    })

    it('in each of them bounds them all, and who ends makes room', async () => {
      const web = await start()
      await web.askAll('setMaxConnections', 'web', 2)
      const clients = Array.from({ length: 6 }, () => connect(web.port))
      await expect.poll(() => web.askAll('connections', 'web'), SOON).toEqual([2, 2])
      const greeted = clients.filter(({ received }) => received)
      expect(greeted.length).toBeLessThanOrEqual(4)
      for (const client of clients) client.close()
      await expect
        .poll(
          () =>
            connect(web.port)
              .pid()
              .catch(() => 0),
          SOON,
        )
        .toBeOneOf(web.pids)
      expect(Math.max(...(await web.askAll('connections', 'web')))).toBeLessThanOrEqual(2)
    })
  })

  describe('in a worker', () => {
    it('getConnections() counts its own', async () => {
      const web = await start()
      const [own, others] = await connectBoth(web)
      expect(await web.askAll('connections', 'web')).toEqual([own.length, others.length])
    })

    it('a server keeps the process alive when nothing else does, and one that is unref()ed does not', async () => {
      const { ask, cluster, pids, port } = await start()
      const exit = new Promise((resolve) => cluster.on('exit', resolve))
      await ask(1, 'keepAliveByServers', [])
      await ask(2, 'keepAliveByServers', ['web'])
      expect(await exit).toMatchObject({ id: 2 })
      expect(isAlive(pids[0])).toBe(true)
      expect(await connect(port).pid()).toBe(pids[0])
    })

    it('a server makes its sockets as its options say, whoever has accepted them', async () => {
      const { askAll, cluster } = await startAsked<Listener>('listener', { balance })
      const port = await freePort()
      await askAll('make', 'web', { pauseOnConnect: true, allowHalfOpen: true, noDelay: true, keepAlive: true })
      await askAll('listen', 'web', port)
      for (const client of await reachAll({ cluster }, () => connect(port))) {
        const { made } = await client.greeting
        expect(made).toEqual({ isPaused: true, allowHalfOpen: true, noDelay: true, keepAlive: true })
        client.socket.write('hello')
        await expect.poll(() => client.received, SOON).toContain('hello')
      }
    })
  })
})
