import { get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { ClusterClosedError, type ClusterEvents, type ClusterOptions, type PrimaryCluster } from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import {
  endAll,
  fixture,
  leftBehind,
  nobodyLeft,
  SOON,
  sendSignal,
  startCluster,
  temporaryFolder,
} from '../support/processes.js'
import type { Contract } from './fixtures/sup-worker.js'

afterEach(endAll)

const start = (options: ClusterOptions<Contract> = {}) =>
  startCluster<Contract>({ exec: fixture('sup-worker'), workers: 2, ...options })

/** A cluster each of whose workers serves a path of its own, and keeps idle connections for longer than any test lasts. */
async function startServing(options: ClusterOptions<Contract> = {}) {
  const folder = temporaryFolder()
  const env = { SUP_LISTEN: `${folder}/%id.sock`, SUP_KEEP_ALIVE: '120000' }
  const cluster = await start({ ready: 'listen', env, ...options })
  return { cluster, messages: messagesOf(cluster), socketOf: (id: number) => `${folder}/${id}.sock` }
}

function messagesOf(cluster: PrimaryCluster<Contract>): { id: number; message: unknown }[] {
  const messages: { id: number; message: unknown }[] = []
  cluster.on('message', ({ id, message }) => messages.push({ id, message }))
  return messages
}

function record<E extends keyof ClusterEvents>(cluster: PrimaryCluster<Contract>, ...names: E[]) {
  const log: { name: E; detail: ClusterEvents[E] }[] = []
  for (const name of names) cluster.on(name, (detail) => log.push({ name, detail }))
  return log
}

interface Answer {
  head: IncomingMessage
  body: string
}

function ask(socketPath: string, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get({ socketPath, path, headers: { connection: 'keep-alive' } }, (head) => {
      let body = ''
      head.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      head.once('end', () => resolve({ head, body })).once('error', reject)
    }).once('error', reject)
  })
}

/** A connection that stays open for as long as the server likes. */
class KeptConnection {
  received = ''
  closed = false
  readonly #socket

  constructor(path: string) {
    this.#socket = connect(path)
    this.#socket.setEncoding('latin1').on('data', (text: string) => {
      this.received += text
    })
    this.#socket.once('close', () => {
      this.closed = true
    })
  }

  get(path: string): void {
    this.send(`GET ${path} HTTP/1.1\r\nhost: worker\r\n\r\n`)
  }

  send(text: string): void {
    this.#socket.write(text)
  }
}

/** Lets all that waits in every worker go on, also where no call is taken any more. */
function finish(cluster: PrimaryCluster<Contract>): void {
  for (const { pid } of cluster.processes.values()) sendSignal(pid, 'SIGUSR2')
}

describe('stop', () => {
  it('ends every worker and resolves with what it had to force: nothing', async () => {
    const cluster = await start()
    const log = record(cluster, 'exit', 'restart')
    const stopped = cluster.stop()
    expect([...cluster.workers.values()].map(({ state }) => state)).toEqual(['draining', 'draining'])
    expect(await stopped).toEqual({ cut: 0, killed: 0 })
    expect(await cluster.closed).toEqual({ reason: 'stopped' })
    expect(log).toMatchObject([
      { name: 'exit', detail: { intended: true, signal: 'SIGTERM' } },
      { name: 'exit', detail: { intended: true, signal: 'SIGTERM' } },
    ])
    expect(leftBehind()).toEqual([])
    expect(await cluster.stop()).toEqual({ cut: 0, killed: 0 })
  })

  it('serves a request in one worker that calls another one while both drain', async () => {
    const { cluster, messages, socketOf } = await startServing()
    const answer = ask(socketOf(1), '/hold?ask=2')
    await expect.poll(() => messages, SOON).toEqual([{ id: 1, message: { held: '/hold' } }])
    const pid = cluster.workers.get(2)?.pid
    const stopped = cluster.stop()
    await cluster.call(1, 'finish', [])
    const { head, body } = await answer
    expect(JSON.parse(body)).toMatchObject({ asked: pid })
    expect(head.headers.connection).toBe('close')
    expect(await stopped).toEqual({ cut: 0, killed: 0 })
  })

  it('answers on connections that are kept alive with Connection: close, and closes idle ones at once', async () => {
    const { cluster, messages, socketOf } = await startServing({ workers: 1 })
    const [idle, busy, streaming] = [0, 1, 2].map(() => new KeptConnection(socketOf(1))) as [
      KeptConnection,
      KeptConnection,
      KeptConnection,
    ]
    for (const connection of [idle, busy, streaming]) connection.get('/')
    await expect
      .poll(() => [idle, busy, streaming].filter(({ received }) => received.endsWith('}')), SOON)
      .toHaveLength(3)
    busy.get('/hold')
    // The head of this one is out before the drain, and promises to keep the connection.
    streaming.get('/head')
    await expect.poll(() => messages.length, SOON).toBe(2)
    await expect.poll(() => streaming.received, SOON).toContain('begun ')

    const stopped = cluster.stop()
    await expect.poll(() => idle.closed, SOON).toBe(true)
    expect([busy.closed, streaming.closed]).toEqual([false, false])
    finish(cluster)
    await expect.poll(() => [busy.closed, streaming.closed], SOON).toEqual([true, true])
    expect(busy.received.split('HTTP/1.1 200').pop()).toMatch(/connection: close\r\n/i)
    expect(streaming.received).toMatch(/"pid"/)
    // None was left to the deadline.
    expect(await stopped).toEqual({ cut: 0, killed: 0 })
  })

  it('closes upgraded connections and those that have sent nothing at once', async () => {
    const { cluster, socketOf } = await startServing({ workers: 1 })
    const upgraded = new KeptConnection(socketOf(1))
    const silent = new KeptConnection(socketOf(1))
    upgraded.send('GET / HTTP/1.1\r\nhost: worker\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n')
    await expect.poll(() => upgraded.received, SOON).toMatch(/^HTTP\/1\.1 101 /)
    await expect.poll(() => cluster.workers.get(1)?.connections, SOON).toBe(2)
    expect(await cluster.stop()).toEqual({ cut: 0, killed: 0 })
    await expect.poll(() => [upgraded.closed, silent.closed], SOON).toEqual([true, true])
  })

  it('cuts what is still open at the deadline, and says so', async () => {
    const { cluster, messages, socketOf } = await startServing({ timeouts: { drain: 300 } })
    const answer = ask(socketOf(1), '/hold').catch((error: NodeJS.ErrnoException) => error.code)
    await expect.poll(() => messages, SOON).toHaveLength(1)
    expect(await cluster.stop()).toEqual({ cut: 1, killed: 0 })
    expect(await answer).toBe('ECONNRESET')
  })

  it('runs the onDrain hooks and waits for them', async () => {
    const cluster = await start({ workers: 1 })
    const messages = messagesOf(cluster)
    await cluster.call(1, 'onDrain', ['wait'])
    const stopped = cluster.stop()
    await expect.poll(() => messages, SOON).toHaveLength(1)
    expect(messages[0]?.message).toMatchObject({ hook: 'begun', mode: 'stop', within: expect.any(Number) })
    expect(cluster.processes.size).toBe(1)
    await cluster.call(1, 'finish', [])
    expect(await stopped).toEqual({ cut: 0, killed: 0 })
    expect(messages[1]?.message).toEqual({ hook: 'ended' })
  })

  it('is not held up by a hook that throws, whose error the worker prints', async () => {
    const cluster = await start({ workers: 1 })
    const log = record(cluster, 'exit')
    await cluster.call(1, 'onDrain', ['throw'])
    expect(await cluster.stop()).toEqual({ cut: 0, killed: 0 })
    expect(log[0]?.detail.output).toContain('the hook threw')
  })

  it('lets calls in flight finish and refuses new ones with ClusterClosedError', async () => {
    const cluster = await start({ workers: 1 })
    const waiting = cluster.call(1, 'wait', [], { timeout: SOON.timeout })
    await expect.poll(() => cluster.call(1, 'waiting', []), SOON).toBe(1)
    const stopped = cluster.stop()
    // Served while connections drain, refused from then on.
    await expect
      .poll(() => cluster.call(1, 'pid', []).catch((error: Error) => error.name), SOON)
      .toBe('ClusterClosedError')
    expect(cluster.processes.size).toBe(1)
    finish(cluster)
    expect(await waiting).toBe('waited')
    await stopped
    for (const refused of [
      cluster.call(1, 'pid', []),
      cluster.call('any', 'pid', []),
      cluster.cast(1, 'pid', []),
      cluster.reload(),
      cluster.scale(2),
    ])
      await expect(refused).rejects.toThrow(ClusterClosedError)
  })

  it('gives a worker that ignores SIGTERM a SIGKILL after timeouts.kill, and reports it', async () => {
    const cluster = await start({ timeouts: { kill: 300 } })
    const log = record(cluster, 'exit')
    await cluster.call(2, 'ignoreSigterm', [])
    expect(await cluster.stop()).toEqual({ cut: 0, killed: 1 })
    expect(log.map(({ detail }) => `${detail.id} ${detail.signal} ${detail.intended}`)).toEqual([
      '1 SIGTERM true',
      '2 SIGKILL true',
    ])
  })

  it('waits for a process that left its channel to end itself', async () => {
    const cluster = await start({ workers: 1 })
    const log = record(cluster, 'exit')
    await cluster.call(1, 'onDrain', ['disconnect'])
    await cluster.stop()
    expect(log).toHaveLength(1)
    expect(leftBehind()).toEqual([])
  })

  it('ends workers that are being restarted or added, too', async () => {
    const cluster = await start()
    const scaled = cluster.scale(4)
    scaled.catch(() => {})
    const crashed = new Promise<void>((resolve) => cluster.on('restart', () => resolve()))
    process.kill(cluster.workers.get(1)!.pid, 'SIGKILL')
    await crashed
    await cluster.stop()
    await expect(scaled).rejects.toThrow(ClusterClosedError)
    await nobodyLeft()
  })

  it('with force ends all at once, also in the middle of an orderly stop', async () => {
    const { cluster, messages, socketOf } = await startServing()
    const answer = ask(socketOf(1), '/hold').catch((error: NodeJS.ErrnoException) => error.code)
    await expect.poll(() => messages, SOON).toHaveLength(1)
    const orderly = cluster.stop()
    expect(await cluster.stop({ force: true })).toEqual({ cut: 0, killed: 2 })
    expect(leftBehind()).toEqual([])
    expect(await answer).toBe('ECONNRESET')
    expect(await cluster.closed).toEqual({ reason: 'stopped' })
    await orderly
  })

  it('is what `await using` does at the end of its block', async () => {
    let closed: Promise<unknown>
    {
      await using cluster = await start({ workers: 1 })
      closed = cluster.closed
      expect(await cluster.call(1, 'identity', [])).toMatchObject({ id: 1 })
    }
    expect(leftBehind()).toEqual([])
    expect(await closed).toEqual({ reason: 'stopped' })
  })

  it('makes room for the next cluster of the process', async () => {
    await (await start({ workers: 1 })).stop()
    const next = await start({ workers: 1 })
    expect(await next.call(1, 'identity', [])).toMatchObject({ id: 1, incarnation: 1 })
  })
})
