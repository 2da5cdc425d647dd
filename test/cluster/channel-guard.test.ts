import { once } from 'node:events'
import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type ExitEvent, PayloadError, type PrimaryCluster } from 'troupe'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { FakeLogger } from '../support/fake-logger.js'
import { endAll, fixture, startCluster } from '../support/processes.js'
import type { GuardContract } from './fixtures/guard-worker.js'

/** Where workers connect to, for a descriptor to send. */
const server = createServer({ pauseOnConnect: true })
const connected: Socket[] = []
server.on('connection', (socket) => {
  socket.on('error', () => {})
  connected.push(socket)
})
let port = 0

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})
afterAll(() => void server.close())
afterEach(async () => {
  hangUp()
  await endAll()
})

/** Our ends of the workers' connections. */
function hangUp(): void {
  for (const socket of connected.splice(0)) socket.destroy()
}

const HUGE = 10 * 1024 * 1024

async function start(options: object = {}) {
  const logger = new FakeLogger()
  const cluster = await startCluster<GuardContract>({ exec: fixture('guard-worker'), workers: 2, logger, ...options })
  const exits: ExitEvent[] = []
  cluster.on('exit', (event) => exits.push(event))
  return { cluster, logger, exits }
}

/** Resolves when worker 1 is ready again. */
function replaced(cluster: PrimaryCluster<GuardContract>): Promise<void> {
  return new Promise((resolve) => {
    const off = cluster.on('ready', ({ id }) => {
      if (id !== 1) return
      off()
      resolve()
    })
  })
}

/** Calls worker 2 until told to stop; gives how many calls there were, and throws what one of them threw. */
function callOther(cluster: PrimaryCluster<GuardContract>): () => Promise<number> {
  let stopped = false
  const pid = cluster.workers.get(2)?.pid
  const calling = (async () => {
    let calls = 0
    for (; !stopped; calls++) expect(await cluster.call(2, 'pid', [])).toBe(pid)
    return calls
  })()
  calling.catch(() => {})
  return () => {
    stopped = true
    return calling
  }
}

/** Open descriptors that lead to a socket. */
function sockets(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')
    } catch {
      return false
    }
  }).length
}

const forged = (message: object): string => `${JSON.stringify(message)}\n`
const batch = forged({ cmd: 'NODE_TROUPE', frames: [] })

describe('a worker is killed alone, and replaced, that', () => {
  it.each<[what: string, method: keyof GuardContract['worker'], args: unknown[], verdict: RegExp]>([
    [
      'writes bytes that are no JSON',
      'write',
      ['garbage\n'],
      /^has written to its channel what is no message \(.*JSON/,
    ],
    ['writes bytes that are no text', 'writeBytes', [new Uint8Array([0xff, 0, 1, 10])], /what is no message/],
    ['cuts a frame in two', 'write', ['{"cmd":"NODE_TROUPE","frames":[{"ki\nnd":1}]}\n'], /what is no message/],
    ['writes a line like ours that is no JSON', 'write', ['{"cmd":"NODE_TROUPE",]\n'], /what is no message \(.*JSON/],
    ['writes an empty line', 'write', ['\n'], /what is no message/],
    [
      'writes a line without end',
      'writeLong',
      [HUGE],
      /^has written a message of more than 9437184 bytes to its channel, the limit$/,
    ],
    ['writes a whole message that is too large', 'writeLong', [HUGE, '\n'], /^has written a message of more than/],
    [
      'sends a handle of a kind that there is not',
      'sendWithHandle',
      [forged({ cmd: 'NODE_HANDLE', type: 'constructor', msg: 1 })],
      /^has sent a handle that cannot be used$/,
    ],
    [
      'sends a connection for a server',
      'sendWithHandle',
      [forged({ cmd: 'NODE_HANDLE', type: 'net.Server', msg: 1 })],
      /^has sent a handle that cannot be used$/,
    ],
    [
      'sends a connection for a socket of datagrams',
      'sendWithHandle',
      [forged({ cmd: 'NODE_HANDLE', type: 'dgram.Socket', dgramType: 'udp4', msg: 1 })],
      /^has sent a message that node refuses/,
    ],
    [
      'sends handles without a message',
      'sendWithHandle',
      [batch, { times: 2 }],
      /^has sent a handle without a message$/,
    ],
  ])('%s', async (_, method, args, verdict) => {
    const { cluster, logger, exits } = await start()
    const before = sockets()
    const again = replaced(cluster)
    const stop = callOther(cluster)
    await cluster.cast(1, method, (method === 'sendWithHandle' ? [port, ...args] : args) as never)
    await again
    expect(exits).toEqual([
      expect.objectContaining({
        id: 1,
        incarnation: 1,
        signal: 'SIGKILL',
        intended: false,
        verdict: expect.stringMatching(verdict),
      }),
    ])
    expect(logger.lines.join('\n')).toContain(`worker 1 ${exits[0]?.verdict}: it is killed`)
    await cluster.call(2, 'pid', [])
    expect(await stop()).toBeGreaterThan(0)
    expect(await cluster.call(1, 'echo', ['again'])).toBe('again')
    hangUp()
    await expect.poll(sockets).toBe(before)
  })

  it('is not ready yet: the boot says why it failed', async () => {
    const booting = startCluster({ exec: fixture('guard-boot'), workers: 1, restart: { max: 0 } })
    await expect(booting).rejects.toThrow(/has written to its channel what is no message/)
  })
})

it('a line that begins like ours, and is none, is the program’s', async () => {
  const { cluster, exits } = await start()
  const heard = new Promise((resolve) => cluster.on('message', ({ message }) => resolve(message)))
  await cluster.call(1, 'write', ['{"cmd":"NODE_TROUPE","cmd":{"toString":1,"valueOf":1},"act":"x"}\n'])
  expect(await heard).toEqual({ cmd: { toString: 1, valueOf: 1 }, act: 'x' })
  expect(exits).toEqual([])
})

describe('is left out, and its worker goes on:', () => {
  it.each<[what: string, message: object]>([
    ['an acknowledgement of a handle that nobody sent', { cmd: 'NODE_HANDLE_ACK' }],
    ['a refusal of a handle that nobody sent', { cmd: 'NODE_HANDLE_NACK' }],
    ['an act with an inherited name', { cmd: 'NODE_CLUSTER', act: '__defineGetter__' }],
    ['an act that there is not', { cmd: 'NODE_CLUSTER', act: 'suicide' }],
    ['no act', { cmd: 'NODE_CLUSTER' }],
    ['an answer to what nobody asked', { cmd: 'NODE_CLUSTER', ack: 0, accepted: true }],
    [
      'a request for a port that there is not',
      { cmd: 'NODE_CLUSTER', act: 'queryServer', seq: 1, port: 70_000, addressType: 4 },
    ],
    [
      'a request for a descriptor of the primary',
      { cmd: 'NODE_CLUSTER', act: 'queryServer', seq: 1, fd: 1, addressType: 4 },
    ],
    ['a request without anything', { cmd: 'NODE_CLUSTER', act: 'queryServer' }],
    ['a request by a sequence that is none', { cmd: 'NODE_CLUSTER', act: 'exitedAfterDisconnect', seq: { a: 1 } }],
    ['a word of listening that is none', { cmd: 'NODE_CLUSTER', act: 'listening', address: { text: 1 }, port: {} }],
    ['the closing of what is not open', { cmd: 'NODE_CLUSTER', act: 'close', key: '__proto__' }],
    ['the word of a debugger', { cmd: 'NODE_DEBUG_ENABLED' }],
    ['a message of a node to come', { cmd: 'NODE_WHATEVER', a: 1 }],
    ['the count of sockets of nobody', { cmd: 'NODE_SOCKET_COUNT', key: '__proto__', count: 1 }],
    ['frames that are no list', { cmd: 'NODE_TROUPE', frames: 'all' }],
    ['frames that are none', { cmd: 'NODE_TROUPE', frames: [null, 1, { kind: 'constructor' }] }],
    ['a name of nobody', { cmd: 'NODE_' }],
  ])('%s', async (_, message) => {
    const { cluster, exits } = await start()
    const pid = await cluster.call(1, 'pid', [])
    await cluster.call(1, 'write', [forged(message)])
    expect(await cluster.call(1, 'pid', [])).toBe(pid)
    expect(await cluster.call(2, 'echo', [1])).toBe(1)
    expect(exits).toEqual([])
  })

  it('a handle with frames, which is closed', async () => {
    const { cluster, exits, logger } = await start()
    const before = sockets()
    const text = forged({ cmd: 'NODE_HANDLE', type: 'net.Native', msg: { cmd: 'NODE_TROUPE', frames: [] } })
    await cluster.call(1, 'sendWithHandle', [port, text, { acknowledged: true }])
    await cluster.call(1, 'pid', [])
    hangUp()
    await expect.poll(sockets).toBe(before)
    expect(exits).toEqual([])
    expect(logger.lines.join('\n')).toContain('worker 1 has no reason to send')
  })
})

it("a forged `listen` of any descriptor of the primary's opens none, and closes none", async () => {
  const { cluster, exits } = await start()
  const ours = createServer().listen(0, '127.0.0.1')
  await once(ours, 'listening')
  const open = (): string[] => readdirSync('/proc/self/fd').filter((fd) => existsSync(`/proc/self/fd/${fd}`))
  const before = open()
  const listen = before.map((fd, ref) => ({
    kind: 'listen',
    ref: 1_000 + ref,
    index: 0,
    fd: Number(fd),
    speaks: 'bytes',
  }))
  await cluster.call(1, 'write', [forged({ cmd: 'NODE_TROUPE', frames: listen })])
  await cluster.call(1, 'pid', [])
  expect(before.filter((fd) => !open().includes(fd))).toEqual([])
  const client = connect((ours.address() as AddressInfo).port, '127.0.0.1')
  await once(client, 'connect')
  client.destroy()
  ours.close()
  expect(await cluster.call(2, 'echo', [1])).toBe(1)
  expect(exits).toEqual([])
})

describe("the program's own messages", () => {
  it('arrive as they were sent: null, primitives, and whatever looks like ours', async () => {
    const { cluster } = await start()
    const heard: unknown[] = []
    cluster.on('message', ({ message }) => heard.push(message))
    const messages = [
      null,
      0,
      -1.5,
      true,
      '',
      'text',
      [],
      {},
      { cmd: 'node_' },
      { cmd: 1 },
      { frames: [] },
      { __proto__: null },
    ]
    for (const message of messages) await cluster.call(1, 'send', [message])
    await cluster.call(1, 'pid', [])
    expect(heard).toEqual(messages)
  })

  it('may be as large as the limit, and are refused by `process.send` over it', async () => {
    const { cluster, exits } = await start()
    const heard = new Promise((resolve) => cluster.on('message', ({ message }) => resolve((message as string).length)))
    expect(await cluster.call(1, 'sendLong', [8_000_000])).toBe('sent')
    expect(await heard).toBe(8_000_000)
    expect(await cluster.call(1, 'sendLong', [HUGE])).toMatch(/^ERR_MESSAGE_TOO_LARGE: .*limits\.payload/)
    expect(exits).toEqual([])
  })

  it('may be more than a listener bears: it is logged, and nothing ends', async () => {
    const { cluster, logger } = await start()
    const { default: nodeCluster } = await import('node:cluster')
    // As prom-client's AggregatorRegistry does it.
    const listener = (_: unknown, message: { type: string }): void => void message.type
    nodeCluster.on('message', listener)
    try {
      await cluster.call(1, 'send', [null])
      await cluster.call(1, 'pid', [])
      expect(logger.lines.join('\n')).toContain("a listener of 'message' threw on a message of worker 1")
    } finally {
      nodeCluster.off('message', listener)
    }
  })

  it('may bring a socket that nobody looks after, and that is reset', async () => {
    const { cluster, exits } = await start()
    const closed = new Promise<void>((resolve) =>
      cluster.on('message', ({ handle }) => {
        ;(handle as Socket).once('close', () => resolve())
        for (const socket of connected) socket.resetAndDestroy()
      }),
    )
    await cluster.call(1, 'sendSocket', [port])
    await closed
    expect(await cluster.call(1, 'echo', [1])).toBe(1)
    expect(exits).toEqual([])
  })
})

it('values that are over the limit as they are written end their call at once, in either direction', async () => {
  const { cluster, exits } = await start({ timeouts: { call: 60_000 } })
  const fits = '"'.repeat(3_000_000)
  await expect(cluster.call(1, 'long', ['\u0001', 3_000_000])).rejects.toThrow(PayloadError)
  await expect(cluster.call(1, 'echo', [fits.replaceAll('"', '\u0001')])).rejects.toThrow(
    /is larger than 4194304 bytes.*limits\.payload/,
  )
  expect(await cluster.call(1, 'echo', [fits.slice(0, 100)])).toHaveLength(100)
  expect(exits).toEqual([])
})

it('a flood of messages from one worker leaves the primary and the other worker their turns', async () => {
  const { cluster, exits } = await start()
  await cluster.call(2, 'pid', [])
  const stop = callOther(cluster)
  await cluster.call(1, 'flood', ['1', 1_000_000], { timeout: 60_000 })
  // All of it would fit in one turn or two. How long a turn takes at most is `npm run fuzz`'s business.
  expect(await stop()).toBeGreaterThan(10)
  expect(exits).toEqual([])
})
