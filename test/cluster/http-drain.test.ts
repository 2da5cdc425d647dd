import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { createCluster, type PrimaryCluster } from 'troupe'
import { describe, expect, it } from 'vitest'
import { freePort } from '../support/processes.js'

const WORKER = new URL('../../build/fixtures/drain-worker.js', import.meta.url)
/** Long enough that a drain which waits for it fails the test by its own time limit. */
const NEVER_WAITED_FOR = 50_000

async function serve(kind: string): Promise<{ cluster: PrimaryCluster<object & { worker?: object }>; port: number }> {
  const port = await freePort()
  const cluster = await createCluster({
    exec: WORKER,
    workers: 1,
    ready: 'listen',
    env: { DRAIN_KIND: kind, DRAIN_PORT: String(port) },
    timeouts: { drain: NEVER_WAITED_FOR },
  })
  return { cluster, port }
}

async function open(port: number): Promise<{ socket: Socket; text: () => string; ended: Promise<unknown> }> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk) => {
    text += chunk
  })
  const ended = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => {})
  await once(socket, 'connect')
  return { socket, text: () => text, ended }
}

describe('a stop', () => {
  it('answers every pipelined request that has arrived, and closes with the last', async () => {
    const { cluster, port } = await serve('http')
    const { socket, text, ended } = await open(port)
    socket.write(['/slow1', '/slow2', '/slow3'].map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''))
    await expect.poll(() => cluster.workers.get(1)?.connections).toBe(1)
    const report = await cluster.stop()
    await ended
    const answers = text().match(/answer to \/slow\d/g)
    expect(answers).toEqual(['answer to /slow1', 'answer to /slow2', 'answer to /slow3'])
    expect(text().match(/Connection: close/gi)).toHaveLength(1)
    expect(report).toEqual({ cut: 0, killed: 0 })
  })

  it('does not wait for upgraded connections that no hook has closed', async () => {
    const { cluster, port } = await serve('http')
    const { socket, text, ended } = await open(port)
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n')
    await expect.poll(text).toContain('101 Switching')
    await cluster.stop()
    await ended
  })

  it('does not wait for a connection without a request, or for an idle one', async () => {
    const { cluster, port } = await serve('http')
    const silent = await open(port)
    const agent = new Agent({ keepAlive: true })
    const call = request({ port, host: '127.0.0.1', agent }).end()
    const [response] = await once(call, 'response')
    response.resume()
    await expect.poll(() => cluster.workers.get(1)?.connections).toBe(2)
    await cluster.stop()
    await silent.ended
    agent.destroy()
  })

  it('tells HTTP/2 clients to go away, and answers their open streams', async () => {
    const { cluster, port } = await serve('http2')
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    const goaway = once(session, 'goaway')
    const closed = once(session, 'close')
    const stream = session.request({ ':path': '/slow' })
    let body = ''
    stream.setEncoding('utf8').on('data', (chunk) => {
      body += chunk
    })
    const streamEnd = once(stream, 'end')
    await expect.poll(() => cluster.workers.get(1)?.connections).toBe(1)
    const stopped = cluster.stop()
    await goaway
    await streamEnd
    expect(body).toBe('answer to /slow')
    await closed
    await stopped
  })

  it('gets by with a server whose close throws', async () => {
    const { cluster, port } = await serve('bad-close')
    const { socket, text, ended } = await open(port)
    socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n')
    await expect.poll(() => cluster.workers.get(1)?.connections).toBe(1)
    expect(await cluster.stop()).toEqual({ cut: 0, killed: 0 })
    await ended
    expect(text()).toContain('answer to /slow')
  })
})
