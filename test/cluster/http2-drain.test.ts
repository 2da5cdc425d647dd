import { once } from 'node:events'
import { type ClientHttp2Session, connect, type SecureClientSessionOptions } from 'node:http2'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { DrainedWorker, RawClient } from '../support/draining.js'
import { endAll, SOON } from '../support/processes.js'
import { RawHttp2Client } from '../support/raw-http2.js'
import { makeCertificate } from './frameworks/certificate.js'

afterEach(endAll)

/** "Every stream that you have opened is served." */
const NO_LIMIT = 2 ** 31 - 1

describe.each(['stop', 'reload'] as const)('a %s', (mode) => {
  it('serves the streams that are open, and those that were on their way when the client was told', async () => {
    const worker = await DrainedWorker.serve('http2')
    const client = await RawHttp2Client.open(worker.port)
    client.get(1, '/held/1')
    await worker.holds('/held/1')
    const { ended } = await worker.drain(mode)
    await expect.poll(() => client.goaways, SOON).toEqual([NO_LIMIT])
    client.get(3, '/held/3')
    await client.pong()
    await worker.holds('/held/1', '/held/3')
    await expect.poll(() => client.goaways, SOON).toEqual([NO_LIMIT, 3])
    worker.release()
    await client.ended
    expect(client.answer(1)).toBe('answer to /held/1')
    expect(client.answer(3)).toBe('answer to /held/3')
    expect(await ended).toMatchObject({ cut: 0, killed: 0 })
  })

  it("says it so that node's client goes elsewhere", async () => {
    const worker = await DrainedWorker.serve('http2')
    const { session, goaways, body, closed } = await begin(`http://127.0.0.1:${worker.port}`)
    await worker.holds('/held')
    const { ended } = await worker.drain(mode)
    await expect.poll(() => goaways, SOON).toEqual([NO_LIMIT, 1])
    expect(session.closed).toBe(true)
    worker.release()
    await closed
    expect(await body).toBe('answer to /held')
    expect(await ended).toMatchObject({ cut: 0 })
  })

  it('serves the open streams of TLS, where there is one GOAWAY only', async () => {
    const certificate = makeCertificate()
    const worker = await DrainedWorker.serve('http2s', { env: { DRAIN_TLS: JSON.stringify(certificate) } })
    const { goaways, body, closed } = await begin(`https://localhost:${worker.port}`, { ca: certificate.cert })
    await worker.holds('/held')
    const { ended } = await worker.drain(mode)
    await expect.poll(() => goaways, SOON).toEqual([1])
    worker.release()
    await closed
    expect(await body).toBe('answer to /held')
    expect(await ended).toMatchObject({ cut: 0 })
  })

  it('puts nothing into the middle of a frame when the client reads slowly', async () => {
    const worker = await DrainedWorker.serve('http2')
    const client = await RawHttp2Client.open(worker.port)
    client.socket.pause()
    client.get(1, '/big')
    await worker.holds('/big')
    const { ended } = await worker.drain(mode)
    client.socket.resume()
    await client.pong()
    await expect.poll(() => client.goaways.at(-1), SOON).toBe(1)
    await client.ended
    expect(client.answer(1)).toBe('x'.repeat(2 ** 24))
    expect(await ended).toMatchObject({ cut: 0 })
  })

  it('cuts an endless stream at the deadline, and counts its connection', async () => {
    const worker = await DrainedWorker.serve('http2', { drain: 500 })
    const client = await RawHttp2Client.open(worker.port)
    client.get(1, '/events')
    await worker.holds('/events')
    const { ended } = await worker.drain(mode)
    await client.ended
    expect(await ended).toMatchObject({ cut: 1 })
  })
})

describe('a stop', () => {
  it('does not wait for a client that does not answer the ping', async () => {
    const worker = await DrainedWorker.serve('http2')
    const client = await RawHttp2Client.open(worker.port)
    client.get(1, '/')
    await expect.poll(() => client.answer(1), SOON).toBe('answer to /')
    expect(await worker.cluster.stop()).toMatchObject({ cut: 0 })
    await client.ended
    expect(client.goaways.slice(0, 2)).toEqual([NO_LIMIT, 1])
  })

  it('ends the HTTP/1 connections of an HTTP/2 server as any other', async () => {
    const certificate = makeCertificate()
    const worker = await DrainedWorker.serve('http2s', { env: { DRAIN_TLS: JSON.stringify(certificate) } })
    const options = { port: worker.port, host: '127.0.0.1', servername: 'localhost', ca: certificate.cert }
    const [idle, busy] = [new RawClient(connectTls(options)), new RawClient(connectTls(options))]
    idle.get('/')
    await idle.receives('answer to /')
    busy.get('/held')
    await worker.holds('/held')
    const { ended } = await worker.drain('stop')
    await idle.ended
    worker.release()
    await busy.ended
    expect(busy.text).toMatch(/^connection: close\r$/im)
    expect(busy.text).toMatch(/answer to \/held$/)
    expect(await ended).toMatchObject({ cut: 0 })
  })
})

interface Begun {
  readonly session: ClientHttp2Session
  readonly goaways: number[]
  readonly body: Promise<string>
  readonly closed: Promise<unknown>
}

/** Asks for /held with node's client. */
async function begin(authority: string, options: SecureClientSessionOptions = {}): Promise<Begun> {
  const session = connect(authority, options)
  const goaways: number[] = []
  session.on('goaway', (_code, lastStream) => goaways.push(lastStream))
  const closed = once(session, 'close')
  await once(session, 'connect')
  const stream = session.request({ ':path': '/held' })
  const body = (async () => {
    let text = ''
    for await (const chunk of stream.setEncoding('utf8')) text += chunk
    return text
  })()
  return { session, goaways, body, closed }
}
