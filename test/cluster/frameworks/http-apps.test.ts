import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { fixture, SOON } from '../../support/processes.js'
import { type App, reachAll, runApp } from './app.js'
import { HttpClient } from './http-client.js'
import { HTTP_WAYS } from './ways.js'

const CASES: { name: string; exec: URL }[] = [
  { name: 'Node alone', exec: fixture('frameworks/plain') },
  { name: 'Koa', exec: fixture('frameworks/koa') },
  { name: 'Express 5', exec: fixture('frameworks/express') },
  { name: 'Express 4, in CommonJS', exec: new URL('../fixtures/frameworks/express-4.cjs', import.meta.url) },
  { name: 'Fastify', exec: fixture('frameworks/fastify') },
]

describe.each(HTTP_WAYS)('$way,', ({ balance }) => {
  describe.each(CASES)('a web app that knows nothing of Troupe: $name', ({ exec }) => {
    let app: App

    beforeAll(async () => {
      app = await runApp('', { exec, balance })
    })
    afterAll(() => app?.cluster.stop())

    function open(): HttpClient {
      const client = new HttpClient(app.port)
      onTestFinished(() => client.close())
      return client
    }

    it('is served by every worker, each connection by one of them', async () => {
      for (const client of await reachAll(app, open)) {
        const pid = await client.pid()
        for (let request = 0; request < 5; request += 1) expect(await client.pid()).toBe(pid)
      }
    })

    it("sees the client's own address", async () => {
      const { status, body, localPort } = await open().send('GET', '/client')
      expect(status).toBe(200)
      const { address, port } = JSON.parse(body.toString())
      expect(address).toMatch(/^(::ffff:)?127\.0\.0\.1$/)
      expect(port).toBe(localPort)
    })

    it('reads what it is sent, and gives it back', async () => {
      const order = { id: 7, items: ['tea', 'kéks', '茶'] }
      const headers = { 'content-type': 'application/json' }
      const { status, body } = await open().send('POST', '/orders', JSON.stringify(order), headers)
      expect(status).toBe(201)
      expect(JSON.parse(body.toString())).toEqual(order)
    })

    it('takes and gives what comes in many pieces, all of it and in order', async () => {
      const client = open()
      const headers = { 'content-type': 'application/octet-stream' }
      const upload = await client.send('POST', '/upload', Buffer.alloc(4_000_000, 'x'), headers)
      expect(JSON.parse(upload.body.toString())).toEqual({ size: 4_000_000 })
      const { body } = await client.send('GET', '/download')
      expect(body.equals(Buffer.concat(Array.from({ length: 64 }, (_, index) => Buffer.alloc(65_536, index))))).toBe(
        true,
      )
    })

    it('answers in its own way what fails, and goes on', async () => {
      const client = open()
      expect((await client.send('GET', '/no-such-page')).status).toBe(404)
      expect((await client.send('GET', '/fail')).status).toBe(500)
      expect((await client.send('GET', '/client')).status).toBe(200)
    })

    it('answers pipelined requests in order, and refuses what is not HTTP', async () => {
      const socket = connect(app.port, '127.0.0.1')
      onTestFinished(() => void socket.destroy())
      let text = ''
      socket.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      const statuses = () => text.match(/HTTP\/1\.1 \d+/g)?.map((line) => line.slice(-3))
      const head = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`
      socket.write(head('/no-such-page') + head('/client') + head('/fail'))
      await expect.poll(statuses, SOON).toEqual(['404', '200', '500'])
      socket.write('this is not HTTP\r\n\r\n')
      await once(socket, 'close')
      expect(statuses()).toEqual(['404', '200', '500', '400'])
    })
  })
})
