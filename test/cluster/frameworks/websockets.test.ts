import { once } from 'node:events'
import { connect } from 'node:net'
import { type Socket as IoSocket, io } from 'socket.io-client'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import WebSocket from 'ws'
import { endAll, SOON } from '../../support/processes.js'
import { type Connection, reachAll, runApp } from './app.js'
import { HttpClient } from './http-client.js'
import { HTTP_WAYS } from './ways.js'

afterEach(endAll)

describe.each(HTTP_WAYS)('$way,', ({ balance }) => {
  describe('a ws server that knows nothing of Troupe', () => {
    it('is served by every worker, and each socket stays with one', async () => {
      const app = await runApp('ws', { balance })
      for (const client of await reachAll(app, () => new WsClient(app.port))) {
        for (const text of ['hello', '茶'.repeat(400_000)]) expect((await client.echo(text)) === text).toBe(true)
        const bytes = Buffer.alloc(1_000_000, 7)
        expect(bytes.equals((await client.echo(bytes)) as Buffer)).toBe(true)
      }
    })

    it('knows its client, and serves its pages on the same port', async () => {
      const { port } = await runApp('ws', { balance })
      const socket = connect(port, '127.0.0.1')
      onTestFinished(() => void socket.destroy())
      const client = new WsClient(port, socket)
      expect((await client.welcome).port).toBe(socket.localPort)
      const http = new HttpClient(port)
      onTestFinished(() => http.close())
      expect((await http.send('GET', '/')).body.toString()).toBe('The page')
    })

    it('gets what the client has sent right behind its request for an upgrade', async () => {
      const { port } = await runApp('ws', { balance })
      const socket = connect(port, '127.0.0.1')
      onTestFinished(() => void socket.destroy())
      const head = [
        'GET /socket HTTP/1.1',
        'Host: localhost',
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      ]
      // A text frame of 2 bytes, masked with zeros: "hi".
      const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])
      let received = ''
      socket.setEncoding('latin1').on('data', (text) => {
        received += text
      })
      socket.write(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), frame]))
      await expect.poll(() => received, SOON).toContain('\x81\x02hi')
      expect(received).toContain('101 Switching Protocols')
    })
  })

  describe('a Socket.IO server that knows nothing of Troupe', () => {
    it('is served by every worker over WebSockets, with acknowledgements and rooms', async () => {
      const app = await runApp('socket-io', { balance })
      const clients = await reachAll(app, () => new IoClient(app.port))
      const byPid = new Map<number, IoClient[]>()
      for (const client of clients) byPid.set(await client.pid(), [...(byPid.get(await client.pid()) ?? []), client])
      for (const inOneWorker of byPid.values()) {
        for (const { socket } of inOneWorker) await socket.emitWithAck('join', 'tea')
        const heard = Promise.all(inOneWorker.map(({ socket }) => heardFrom(socket, 'said')))
        const [{ socket: speaker }] = inOneWorker as [IoClient]
        expect(await speaker.emitWithAck('say', 'tea', 'It is ready')).toBe(inOneWorker.length)
        expect(await heard).toEqual(inOneWorker.map(() => ({ from: speaker.id, text: 'It is ready' })))
      }
    })
  })
})

class WsClient implements Connection {
  readonly socket: WebSocket
  readonly welcome: Promise<{ pid: number; port: number }>

  constructor(port: number, over?: ReturnType<typeof connect>) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, { ...(over && { createConnection: () => over }) })
    this.welcome = once(this.socket, 'message').then(([data]) => JSON.parse(String(data)))
  }

  async pid(): Promise<number> {
    return (await this.welcome).pid
  }

  async echo(message: string | Buffer): Promise<string | Buffer> {
    this.socket.send(message)
    const [data, isBinary] = (await once(this.socket, 'message')) as [Buffer, boolean]
    return isBinary ? data : data.toString()
  }

  close(): void {
    this.socket.terminate()
  }
}

class IoClient implements Connection {
  readonly socket: IoSocket
  readonly #welcome: Promise<unknown>

  constructor(port: number) {
    this.socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true, reconnection: false })
    this.#welcome = heardFrom(this.socket, 'welcome')
  }

  async pid(): Promise<number> {
    return ((await this.#welcome) as { pid: number }).pid
  }

  close(): void {
    this.socket.disconnect()
  }
}

/** As `once` of node:events, for the emitter of Socket.IO. Rejects when the connection fails. */
function heardFrom(socket: IoSocket, event: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve)
    socket.once('connect_error', reject)
  })
}
