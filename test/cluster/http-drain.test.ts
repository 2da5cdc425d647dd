import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { DrainedWorker, RawClient } from '../support/draining.js'
import { freePort } from '../support/free-port.js'
import { endAll } from '../support/processes.js'
import { makeCertificate } from './frameworks/certificate.js'

afterEach(endAll)

const CLOSES = /^connection: close\r$/im
const KEEPS = /^connection: keep-alive\r$/im

describe.each(['stop', 'reload'] as const)('a %s', (mode) => {
  it('answers every pipelined request that has arrived, and closes with the last', async () => {
    const worker = await DrainedWorker.serve('http')
    const client = await RawClient.open(worker.port)
    client.get('/held/1', '/held/2', '/held/3')
    await worker.holds('/held/1', '/held/2', '/held/3')
    const { ended } = await worker.drain(mode)
    worker.release()
    await client.ended
    const answers = client.text.split(/(?=HTTP\/1.1)/)
    expect(answers.map((answer) => [/answer to .*/.exec(answer)?.[0], CLOSES.test(answer)])).toEqual([
      ['answer to /held/1', false],
      ['answer to /held/2', false],
      ['answer to /held/3', true],
    ])
    expect(await ended).toMatchObject({ cut: 0, killed: 0 })
  })

  it('closes with the answer also where the program says keep-alive, as a proxy does', async () => {
    const worker = await DrainedWorker.serve('http')
    const client = await RawClient.open(worker.port)
    client.get('/held/proxied')
    await worker.holds('/held/proxied')
    const { ended } = await worker.drain(mode)
    worker.release()
    await client.ended
    expect(client.text).toMatch(CLOSES)
    expect(client.text).toMatch(/answer to \/held\/proxied$/)
    expect(await ended).toMatchObject({ cut: 0 })
  })

  it('lets an upload end, also one that waits for 100 Continue', async () => {
    const worker = await DrainedWorker.serve('http')
    const head = 'POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n'
    const slow = await RawClient.open(worker.port)
    slow.socket.write(`${head}\r\nfour`)
    const polite = await RawClient.open(worker.port)
    polite.socket.write(`${head}Expect: 100-continue\r\n\r\n`)
    await worker.holds('/upload', '/upload')
    const { ended } = await worker.drain(mode)
    await polite.receives('100 Continue')
    polite.socket.write('nine more')
    slow.socket.write(' more')
    await Promise.all([slow.ended, polite.ended])
    for (const { text } of [slow, polite]) {
      expect(text).toMatch(CLOSES)
      expect(text).toMatch(/answer to \/upload$/)
    }
    expect(await ended).toMatchObject({ cut: 0 })
  })

  it('cuts an endless response at the deadline, and counts it, but no idle connection', async () => {
    const worker = await DrainedWorker.serve('http', { drain: 500 })
    const idle = await RawClient.open(worker.port)
    idle.get('/')
    await idle.receives('answer to /')
    const events = await RawClient.open(worker.port)
    events.get('/events')
    await events.receives('begun')
    const { ended } = await worker.drain(mode)
    await Promise.all([events.ended, idle.ended])
    expect(await ended).toMatchObject({ cut: 1 })
  })

  it('waits for the requests of a server that the program has closed itself', async () => {
    const worker = await DrainedWorker.serve('http')
    const client = await RawClient.open(worker.port)
    client.get('/close')
    await worker.holds('/close')
    const { ended } = await worker.drain(mode)
    worker.release()
    await client.ended
    expect(client.text).toContain('answer to /close')
    expect(await ended).toMatchObject({ cut: 0 })
  })

  it('gets by with a server whose close throws', async () => {
    const worker = await DrainedWorker.serve('bad-close')
    const client = await RawClient.open(worker.port)
    client.get('/held')
    await worker.holds('/held')
    const { ended } = await worker.drain(mode)
    worker.release()
    await client.ended
    expect(client.text).toContain('answer to /held')
    expect(await ended).toMatchObject({ cut: 0, killed: 0 })
    expect(worker.told('stopped')).toEqual([worker.port])
  })

  it('drains all servers of a worker', async () => {
    const ports = [await freePort(), await freePort()]
    const worker = await DrainedWorker.serve('http', { ports })
    const clients = await Promise.all(ports.map((port) => RawClient.open(port)))
    for (const client of clients) client.get('/held')
    await worker.holds('/held', '/held')
    const { ended } = await worker.drain(mode)
    worker.release()
    await Promise.all(clients.map((client) => client.ended))
    for (const { text } of clients) expect(text).toMatch(/answer to \/held$/)
    expect(await ended).toMatchObject({ cut: 0 })
  })

  it('answers over TLS, and says so that the connection ends', async () => {
    const { worker, client } = await serveTls('https')
    client.get('/held')
    await worker.holds('/held')
    const { ended } = await worker.drain(mode)
    worker.release()
    await client.ended
    expect(client.text).toMatch(CLOSES)
    expect(client.text).toMatch(/answer to \/held$/)
    expect(await ended).toMatchObject({ cut: 0 })
  })

  it('lets connections that are not HTTP end by themselves', async () => {
    const worker = await DrainedWorker.serve('tcp')
    const client = await RawClient.open(worker.port)
    client.socket.write('this')
    await worker.holds('this')
    const { ended } = await worker.drain(mode)
    worker.release()
    await client.ended
    expect(client.text).toBe('answer to this')
    expect(await ended).toMatchObject({ cut: 0 })
  })
})

describe('a stop', () => {
  it('does not wait for a connection without a request, or for an idle one', async () => {
    const worker = await DrainedWorker.serve('http')
    const silent = await RawClient.open(worker.port)
    const idle = await RawClient.open(worker.port)
    idle.get('/')
    await worker.connections(2)
    await idle.receives('answer to /')
    expect(await worker.cluster.stop()).toMatchObject({ cut: 0 })
    await Promise.all([silent.ended, idle.ended])
  })

  it('closes a connection that was promised to be kept when its answer is out', async () => {
    const worker = await DrainedWorker.serve('http')
    const client = await RawClient.open(worker.port)
    client.get('/begun')
    await client.receives('begun')
    const { ended } = await worker.drain('stop')
    worker.release()
    await client.ended
    expect(client.text).toMatch(KEEPS)
    expect(client.text).toContain('answer to /begun')
    expect(await ended).toMatchObject({ cut: 0 })
  })

  it('does not wait for upgraded connections that no hook has closed', async () => {
    const worker = await DrainedWorker.serve('other-protocol')
    const client = await RawClient.open(worker.port)
    client.socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n')
    await client.receives('101 Switching')
    await worker.cluster.stop()
    await client.ended
  })

  it('does not wait for a client that does not finish its TLS handshake, or is idle after it', async () => {
    const { worker, client } = await serveTls('https')
    client.get('/')
    await client.receives('answer to /')
    const silent = await RawClient.open(worker.port)
    await worker.connections(2)
    expect(await worker.cluster.stop()).toMatchObject({ cut: 0 })
    await Promise.all([client.ended, silent.ended])
  })

  it('in the middle of a reload closes what the reload would have kept', async () => {
    const worker = await DrainedWorker.serve('http')
    const idle = await RawClient.open(worker.port)
    idle.get('/')
    await idle.receives('answer to /')
    const { ended } = await worker.drain('reload')
    ended.catch(() => {})
    await worker.cluster.stop()
    await idle.ended
  })
})

describe('a reload', () => {
  it('keeps idle connections, and closes each with the answer to its next request', async () => {
    const worker = await DrainedWorker.serve('http')
    const idle = await RawClient.open(worker.port)
    idle.get('/first')
    await idle.receives('answer to /first')
    const { ended } = await worker.drain('reload')
    idle.get('/next')
    await idle.ended
    const [first, next] = idle.text.split(/(?<=first)/)
    expect(first).toMatch(KEEPS)
    expect(next).toMatch(CLOSES)
    expect(next).not.toMatch(/^keep-alive:/im)
    expect(next).toMatch(/answer to \/next$/)
    expect(await ended).toMatchObject({ cut: 0 })
  })
})

async function serveTls(kind: string): Promise<{ worker: DrainedWorker; client: RawClient }> {
  const certificate = makeCertificate()
  const worker = await DrainedWorker.serve(kind, { env: { DRAIN_TLS: JSON.stringify(certificate) } })
  const socket = connectTls({ port: worker.port, host: '127.0.0.1', servername: 'localhost', ca: certificate.cert })
  const client = new RawClient(socket)
  await once(socket, 'secureConnect')
  return { worker, client }
}
