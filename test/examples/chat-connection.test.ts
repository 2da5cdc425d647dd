import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { Audience } from '../../examples/chat/audience.js'
import { Connection, type ConnectionParts } from '../../examples/chat/connection.js'
import type { Joined } from '../../examples/chat/contract.js'
import { LIMITS } from '../../examples/chat/limits.js'

const you = { person: 'person-ada', name: 'Ada' }
const joined: Joined = {
  room: 'lobby',
  log: 'log-1',
  you,
  people: [you],
  messages: [],
  resumed: false,
  truncated: false,
}
const join = { type: 'join', room: 'lobby', name: 'Ada', client: 'client-ada-12345' }

class FakeSocket extends EventEmitter {
  readonly OPEN = 1
  readyState = 1
  bufferedAmount = 0
  sent: { type: string; code?: string; nonce?: string; retryAfter?: number }[] = []
  ended: (number | string)[] = []
  pings = 0

  send(frame: string): void {
    this.sent.push(JSON.parse(frame))
  }
  close(code: number): void {
    this.readyState = 2
    this.ended.push(code)
  }
  terminate(): void {
    this.ended.push('terminated')
  }
  ping(): void {
    this.pings += 1
  }
  /** What the page sends. */
  says(message: object): void {
    this.emit('message', Buffer.from(JSON.stringify(message)), false)
  }
}

function connect(post: () => Promise<unknown> = async () => ({ ok: true, value: { seq: 1 } })) {
  const clock = { now: 0 }
  const socket = new FakeSocket()
  const audience = new Audience()
  const casts: unknown[] = []
  const published: unknown[] = []
  const cluster = {
    primary: () => ({ join: async () => ({ ok: true, value: joined }), post }),
    cast: async (...cast: unknown[]) => void casts.push(cast),
    publish: async (_: unknown, value: unknown) => void published.push(value),
  }
  const parts = { id: 7, socket, audience, cluster, now: () => clock.now } as unknown as ConnectionParts
  const connection = new Connection(parts)
  audience.add(connection)
  return { connection, socket, audience, casts, published, clock }
}

/** Lets promises that are settled already run their continuations. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('a connection', () => {
  it('is cut when its client reads too slowly, instead of growing', () => {
    const { connection, socket } = connect()
    socket.sent = []
    socket.bufferedAmount = LIMITS.sendBufferBytes + 1
    connection.send({ type: 'pong' })
    connection.send({ type: 'pong' })
    expect(socket.sent).toEqual([])
    expect(socket.ended).toEqual([4009])
  })

  it('is cut when a ping is not answered before the next one', () => {
    const { audience, socket } = connect()
    audience.checkHeartbeats()
    socket.emit('pong')
    audience.checkHeartbeats()
    expect(socket.ended).toEqual([])
    audience.checkHeartbeats()
    expect(socket.ended).toEqual(['terminated'])
    expect(socket.pings).toBe(2)
  })

  it('answers with the nonce and a time when the primary cannot be asked', async () => {
    const { socket } = connect(() => Promise.reject(new Error('no answer within 5000 ms')))
    socket.says({ type: 'say', room: 'lobby', nonce: 'nonce-12345678', text: 'hello' })
    await settle()
    expect(socket.sent.at(-1)).toMatchObject({
      type: 'refused',
      code: 'unavailable',
      nonce: 'nonce-12345678',
      retryAfter: 2,
    })
  })

  it('tells the primary when it ends, and is no longer listed', async () => {
    const { socket, casts, audience } = connect()
    socket.says(join)
    await settle()
    expect(audience.showWave(7, you.person, you)).toBe(true)
    socket.emit('close')
    expect(casts).toEqual([['primary', 'leave', [7]]])
    expect(audience.showWave(7, you.person, you)).toBe(false)
  })

  it('passes a typing hint on once in a while, and at once after a message', async () => {
    const { socket, published, clock } = connect()
    socket.says({ type: 'typing' })
    expect(published).toEqual([])
    socket.says(join)
    await settle()
    socket.says({ type: 'typing' })
    socket.says({ type: 'typing' })
    expect(published).toEqual([{ room: 'lobby', from: you }])
    clock.now += LIMITS.typingMs
    socket.says({ type: 'typing' })
    expect(published).toHaveLength(2)
    socket.says({ type: 'say', room: 'lobby', nonce: 'nonce-12345678', text: 'hello' })
    await settle()
    socket.says({ type: 'typing' })
    expect(published).toHaveLength(3)
  })

  it('takes no wave for somebody else who had the same number', async () => {
    const { socket, audience } = connect()
    socket.says(join)
    await settle()
    expect(audience.showWave(7, 'person-bo', you)).toBe(false)
    expect(audience.showWave(8, you.person, you)).toBe(false)
  })
})
