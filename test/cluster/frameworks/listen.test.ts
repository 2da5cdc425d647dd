import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer, type NetConnectOpts } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { freePort } from '../../support/free-port.js'
import { endAll, fixture, holdsListener, temporaryFolder } from '../../support/processes.js'
import type { Listener } from '../fixtures/frameworks/listener.js'
import { reachAll } from './app.js'
import { type AskedCluster, startAsked } from './asking.js'
import { type Greeting, TcpClient } from './tcp-client.js'
import { WAYS } from './ways.js'

afterEach(endAll)

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const hasReusePort = major > 22 || (major === 22 && minor >= 12)

/** Whether there is an answer at all, and whose. */
function greetingOf(place: NetConnectOpts): Promise<Greeting> {
  const client = new TcpClient(place)
  onTestFinished(() => client.close())
  return client.greeting
}

/** Both workers have a server there, and answer in its name. */
async function expectShared(started: AskedCluster<Listener>, place: NetConnectOpts, name: string): Promise<void> {
  for (const client of await reachAll(started, () => new TcpClient(place))) {
    expect(await client.greeting).toMatchObject({ name })
    client.close()
  }
}

describe.each(WAYS)('$way,', ({ balance }) => {
  const start = (): Promise<AskedCluster<Listener>> => startAsked<Listener>('listener', { balance })

  describe('listen() in workers, with', () => {
    it('a port: they share it, and it is the primary that owns it', async () => {
      const started = await start()
      const port = await freePort()
      const addresses = await started.askAll('listen', 'web', port)
      expect(addresses).toEqual([1, 2].map(() => expect.objectContaining({ port })))
      await expectShared(started, { port, host: '127.0.0.1' }, 'web')
      expect(holdsListener(process.pid, port)).toBe(true)
    })

    it('port 0: they share the one that the system chose; the next 0 is another, which they share too', async () => {
      const started = await start()
      const [[first, again], [second, too]] = [
        await started.askAll('listen', 'first', 0),
        await started.askAll('listen', 'second', 0),
      ] as AddressInfo[][] as [[AddressInfo, AddressInfo], [AddressInfo, AddressInfo]]
      expect(again).toEqual(first)
      expect(too).toEqual(second)
      expect(second.port).not.toBe(first.port)
      await expectShared(started, { port: first.port, host: '127.0.0.1' }, 'first')
      await expectShared(started, { port: second.port, host: '127.0.0.1' }, 'second')
    })

    it('a host: one port can have a server on each address', async () => {
      const started = await start()
      const port = await freePort()
      const hosts = ['127.0.0.1', '127.0.0.2']
      for (const host of hosts) await started.askAll('listen', host, { port, host })
      for (const host of hosts) await expectShared(started, { port, host }, host)
      await expect(greetingOf({ port, host: '127.0.0.3' })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    })

    it.skipIf(!hasIpv6)('an IPv6 host: alone, or for IPv4 too, as ipv6Only says', async () => {
      const started = await start()
      const [own, both, only] = [await freePort(), await freePort(), await freePort()]
      expect(await started.askAll('listen', 'own', own, '::1')).toEqual(
        [1, 2].map(() => ({ address: '::1', family: 'IPv6', port: own })),
      )
      await started.askAll('listen', 'both', { port: both, host: '::' })
      await started.askAll('listen', 'only', { port: only, host: '::', ipv6Only: true })
      await expectShared(started, { port: own, host: '::1' }, 'own')
      await expectShared(started, { port: both, host: '127.0.0.1' }, 'both')
      await expectShared(started, { port: only, host: '::1' }, 'only')
      await expect(greetingOf({ port: only, host: '127.0.0.1' })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    })

    it('a path: they share the socket, whose file is gone when the cluster is', async () => {
      const started = await start()
      const path = join(temporaryFolder(), 'web.sock')
      expect(await started.askAll('listen', 'web', path)).toEqual([path, path])
      await expectShared(started, { path }, 'web')
      await started.cluster.stop()
      expect(existsSync(path)).toBe(false)
    })

    it('a backlog: it is that of the socket', async ({ skip }) => {
      const { askAll } = await start()
      const port = await freePort()
      await askAll('listen', 'web', { port, backlog: 7 })
      const backlog = await listenBacklog(port)
      if (backlog === undefined) skip('`ss` is not here, which would tell')
      expect(backlog).toBe(7)
    })

    it('exclusive: each has its own, and the second on the same port is refused', async () => {
      const { ask, askAll, cluster } = await start()
      const [first, second] = (await askAll('listen', 'own', { port: 0, exclusive: true })) as AddressInfo[]
      expect(first!.port).not.toBe(second!.port)
      const pids = [...cluster.workers.values()].map(({ pid }) => pid)
      expect((await greetingOf({ port: first!.port })).pid).toBe(pids[0])
      expect((await greetingOf({ port: second!.port })).pid).toBe(pids[1])
      await expect(ask(2, 'listen', 'next', { port: first!.port, exclusive: true })).rejects.toMatchObject({
        code: 'EADDRINUSE',
      })
    })

    it.skipIf(!hasReusePort)('reusePort: each has a socket of its own on the one port', async () => {
      const started = await start()
      const port = await freePort()
      await started.askAll('listen', 'web', { port, host: '127.0.0.1', reusePort: true })
      const pids = [...started.cluster.workers.values()].map(({ pid }) => pid)
      expect([process.pid, ...pids].map((pid) => holdsListener(pid, port))).toEqual([false, true, true])
      await expectShared(started, { port, host: '127.0.0.1' }, 'web')
    })

    it("fd: it is the primary's, as for a service that systemd starts with its socket", async () => {
      const socket = createServer().listen(0, '127.0.0.1')
      await once(socket, 'listening')
      const { port } = socket.address() as AddressInfo
      const { fd } = (socket as unknown as { _handle: { fd: number } })._handle
      const program = spawn(process.execPath, [fileURLToPath(fixture('frameworks/activated'))], {
        env: { ...process.env, BALANCE: JSON.stringify(balance) },
        stdio: ['ignore', 'pipe', 'inherit', fd],
      })
      // From here on only the program has it.
      socket.close()
      const [line] = await once(program.stdout!, 'data')
      const { pids } = JSON.parse(String(line)) as { pids: number[] }
      const cluster = { workers: new Map(pids.map((pid) => [pid, { pid }])) }
      for (const client of await reachAll({ cluster }, () => new TcpClient({ port, host: '127.0.0.1' }))) client.close()
      program.kill('SIGTERM')
      await once(program, 'exit')
    })

    it('several servers: each has its clients', async () => {
      const started = await start()
      const path = join(temporaryFolder(), 'admin.sock')
      const [web, api] = [await freePort(), await freePort()]
      await started.askAll('listen', 'web', web)
      await started.askAll('listen', 'api', { port: api, host: '127.0.0.1' })
      await started.askAll('listen', 'admin', path)
      await expectShared(started, { port: web, host: '127.0.0.1' }, 'web')
      await expectShared(started, { port: api, host: '127.0.0.1' }, 'api')
      await expectShared(started, { path }, 'admin')
    })

    it('a port in one of them only: nobody else gets what comes there', async () => {
      const { ask, cluster } = await start()
      const port = await freePort()
      await ask(2, 'listen', 'own', port)
      const greetings = await Promise.all([1, 2, 3, 4, 5, 6].map(() => greetingOf({ port })))
      expect(new Set(greetings.map(({ pid }) => pid))).toEqual(new Set([cluster.workers.get(2)?.pid]))
    })
  })

  describe('a listen() that fails tells it at the server of that worker:', () => {
    it('EADDRINUSE, when another program has the port; and the same server gets it when it is free', async () => {
      const other = createServer().listen(0)
      await once(other, 'listening')
      const { port } = other.address() as AddressInfo
      const started = await start()
      for (const id of [1, 2]) {
        await expect(started.ask(id, 'listen', 'web', port)).rejects.toMatchObject({
          code: 'EADDRINUSE',
          syscall: expect.stringMatching(/^(bind|listen)$/),
          port,
          message: expect.stringContaining('EADDRINUSE'),
        })
        expect(await started.ask(id, 'isListening', 'web')).toBe(false)
      }
      other.close()
      await once(other, 'close')
      await started.askAll('listen', 'web', port)
      await expectShared(started, { port, host: '127.0.0.1' }, 'web')
    })

    it('EADDRINUSE, when another program listens on the path', async () => {
      const path = join(temporaryFolder(), 'web.sock')
      const other = createServer().listen(path)
      await once(other, 'listening')
      onTestFinished(() => void other.close())
      const { ask } = await start()
      await expect(ask(1, 'listen', 'web', path)).rejects.toMatchObject({ code: 'EADDRINUSE', address: path })
      expect(existsSync(path)).toBe(true)
    })

    it('EACCES, when it may not make the socket file: node says so also when the folder is missing', async () => {
      const { ask } = await start()
      const path = join(temporaryFolder(), 'missing', 'web.sock')
      await expect(ask(1, 'listen', 'web', path)).rejects.toMatchObject({ code: 'EACCES', address: path })
    })

    it('EACCES, on a port that is for root', async ({ skip }) => {
      if (process.getuid?.() === 0) skip('root may listen on every port')
      const { ask } = await start()
      await expect(ask(1, 'listen', 'web', 81)).rejects.toMatchObject({ code: 'EACCES', port: 81 })
    })

    it('EADDRNOTAVAIL, when the address is not of this machine', async () => {
      const { ask } = await start()
      // Of TEST-NET-1, for documentation (RFC 5737).
      const place = { port: await freePort(), host: '192.0.2.1' }
      await expect(ask(1, 'listen', 'web', place)).rejects.toMatchObject({
        code: 'EADDRNOTAVAIL',
        address: place.host,
        port: place.port,
      })
    })

    it('what node itself refuses, before anybody is asked', async () => {
      const { ask } = await start()
      await expect(ask(1, 'listen', 'web', 65_536)).rejects.toMatchObject({ code: 'ERR_SOCKET_BAD_PORT' })
      await ask(1, 'listen', 'web', 0)
      await expect(ask(1, 'listen', 'web', 0)).rejects.toMatchObject({ code: 'ERR_SERVER_ALREADY_LISTEN' })
    })
  })
})

/** How many connections may wait at a port, which only the kernel's own tool tells. */
async function listenBacklog(port: number): Promise<number | undefined> {
  const tool = spawn('ss', ['--listening', '--tcp', '--numeric', '--no-header', `sport = :${port}`])
  const text = await Promise.race([tool.stdout.toArray(), once(tool, 'error').then(() => undefined)])
  return text && Number(/\S+\s+\S+\s+(\d+)/.exec(text.join(''))?.[1])
}
