import { once } from 'node:events'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { freePort } from '../../support/free-port.js'
import { endAll } from '../../support/processes.js'
import { type Connection, reachAll, runApp } from './app.js'
import { makeCertificate } from './certificate.js'
import { HttpClient } from './http-client.js'
import { openTls, type TlsClient } from './tls-client.js'
import { WAYS } from './ways.js'

const { key, cert } = makeCertificate()
const TLS = { TLS_KEY: key, TLS_CERT: cert }

afterEach(endAll)

describe.each(WAYS)('$way,', ({ balance }) => {
  describe('an https server that knows nothing of Troupe', () => {
    it('is served by every worker, with its own certificate', async () => {
      const app = await runApp('https', { env: TLS, balance })
      for (const client of await reachAll(app, () => new HttpClient(app.port, { ca: cert }))) {
        const { body, localPort } = await client.send('POST', '/', Buffer.alloc(1_000_000))
        expect(JSON.parse(body.toString()).port).toBe(localPort)
      }
    })

    it.each(['TLSv1.2', 'TLSv1.3'] as const)('resumes a %s session at another worker', async (version) => {
      const app = await runApp('https', { env: TLS, balance })
      const open = async (session?: Buffer): Promise<TlsClient> => {
        const client = await openTls(app.port, { ca: cert, maxVersion: version, ...(session && { session }) })
        onTestFinished(() => client.close())
        return client
      }
      const first = await open()
      expect(first.isResumed).toBe(false)
      const clients = [first]
      while (clients.every(({ pid }) => pid === first.pid)) {
        expect(clients.length).toBeLessThan(64)
        const client = await open(first.session)
        expect(client.isResumed).toBe(true)
        clients.push(client)
      }
    })
  })

  describe('an http2 server that knows nothing of Troupe', () => {
    it.each(['https', 'http'] as const)('is served by every worker: %s', async (scheme) => {
      const clearPort = await freePort()
      const app = await runApp('http2', { env: { ...TLS, CLEAR_PORT: String(clearPort) }, balance })
      const url = `${scheme}://127.0.0.1:${scheme === 'https' ? app.port : clearPort}`
      for (const client of await reachAll(app, () => new Http2Client(connectHttp2(url, { ca: cert })))) {
        const pid = await client.pid()
        const sizes = [0, 1, 100_000, 1_000_000]
        const answers = await Promise.all(sizes.map((size) => client.send(`/${size}`, Buffer.alloc(size))))
        expect(answers).toEqual(sizes.map((size) => ({ pid, version: '2.0', path: `/${size}`, size })))
      }
    })

    it('speaks HTTP/1 to those who cannot do more, beside TLS and in every worker', async () => {
      const app = await runApp('http2', { env: { ...TLS, CLEAR_PORT: String(await freePort()) }, balance })
      for (const client of await reachAll(app, () => new HttpClient(app.port, { ca: cert }))) {
        const { body } = await client.send('GET', '/page')
        expect(JSON.parse(body.toString())).toEqual({ version: '1.1', path: '/page', size: 0 })
      }
    })
  })

  describe('a net server that knows nothing of Troupe', () => {
    it('speaks first, in every worker, and knows its client', async () => {
      const app = await runApp('net', { balance })
      for (const client of await reachAll(app, () => new NetClient(app.port))) {
        const { address, port } = await client.greeting
        expect(address).toMatch(/^(::ffff:)?127\.0\.0\.1$/)
        expect(port).toBe(client.socket.localPort)
      }
    })

    it('gets every byte, also those that were sent at once, and still answers when the client has said its last', async () => {
      const { port } = await runApp('net', { balance })
      const socket = connect(port, '127.0.0.1')
      onTestFinished(() => void socket.destroy())
      const message = Buffer.alloc(3_000_000, 'all of it, and in order; ')
      // Before it is connected: the bytes are there as soon as anybody can read.
      socket.end(message)
      const [, ...rest] = (await text(socket)).split('\n')
      expect(rest).toEqual([message.toString(), `${message.length} bytes`])
    })
  })
})

class Http2Client implements Connection {
  readonly session: ClientHttp2Session

  constructor(session: ClientHttp2Session) {
    this.session = session
    // A request on it tells.
    session.on('error', () => {})
  }

  async send(path: string, body: Buffer): Promise<object> {
    const stream = this.session.request({ ':method': 'POST', ':path': path })
    stream.end(body)
    const [headers] = await once(stream, 'response')
    return { pid: Number(headers['x-pid']), ...JSON.parse(await text(stream)) }
  }

  async pid(): Promise<number> {
    return ((await this.send('/', Buffer.of())) as { pid: number }).pid
  }

  close(): void {
    this.session.destroy()
  }
}

class NetClient implements Connection {
  readonly socket: Socket
  readonly greeting: Promise<{ pid: number; address: string; port: number }>

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.greeting = once(this.socket, 'data').then(([data]) => JSON.parse(String(data)))
  }

  async pid(): Promise<number> {
    return (await this.greeting).pid
  }

  close(): void {
    this.socket.destroy()
  }
}
