/**
 * One WebSocket: checks what comes in, asks the primary, and answers.
 *
 * It begins with the upgrade and ends with the socket's `close`. It holds nothing that would be missed if this worker
 * died now: the page knows what it has seen and what it has not been promised, and tells both to the next worker.
 */
import type { WorkerCluster } from 'troupe'
import type { WebSocket } from 'ws'
import type { Audience } from './audience.js'
import { type Contract, type Refusal, typing } from './contract.js'
import { cleanMessage, cleanName, cleanRoom, LIMITS } from './limits.js'
import { Seat } from './seat.js'
import { TokenBucket } from './token-bucket.js'
import { CLOSE, type ClientMessage, parseClientMessage, type ServerMessage } from './wire.js'

export interface ConnectionParts {
  id: number
  socket: WebSocket
  audience: Audience
  cluster: Pick<WorkerCluster<Contract>, 'primary' | 'worker' | 'cast' | 'publish'>
  /** A monotonic clock, in milliseconds. */
  now: () => number
}

type Incoming<T extends ClientMessage['type']> = Extract<ClientMessage, { type: T }>

export class Connection {
  readonly id: number
  readonly seat: Seat
  readonly #parts: ConnectionParts
  readonly #rates: Record<'frames' | 'joins' | 'messages' | 'waves', TokenBucket>
  #typingSentAt = Number.NEGATIVE_INFINITY
  #answeredPing = true

  constructor(parts: ConnectionParts) {
    const { id, socket, audience, cluster, now } = parts
    this.id = id
    this.#parts = parts
    this.#rates = {
      frames: new TokenBucket(LIMITS.frameRate, now()),
      joins: new TokenBucket(LIMITS.joinRate, now()),
      messages: new TokenBucket(LIMITS.messageRate, now()),
      waves: new TokenBucket(LIMITS.waveRate, now()),
    }
    this.seat = new Seat({
      join: (request) => cluster.primary().join(request),
      listen: (room, wanted) => audience.listen(this, room, wanted),
      send: (message) => this.send(message),
      sendFrame: (frame) => this.sendFrame(frame),
      refuse: (refusal) => this.#refuse(refusal),
      unavailable: () => this.#refuse(UNAVAILABLE, { wait: RETRY_MS }),
    })
    socket.on('message', (data, isBinary) => this.#receive(isBinary ? '' : data.toString()))
    socket.on('pong', () => {
      this.#answeredPing = true
    })
    socket.on('close', () => this.#end())
    // A reset, or a frame over the limit. `close` follows, and the page comes back by itself.
    socket.on('error', () => {})
  }

  send(message: ServerMessage): void {
    this.sendFrame(JSON.stringify(message))
  }

  sendFrame(frame: string): void {
    const { socket } = this.#parts
    if (socket.readyState !== socket.OPEN) return
    if (socket.bufferedAmount > LIMITS.sendBufferBytes) socket.close(CLOSE.tooSlow, 'Reading too slowly')
    else socket.send(frame)
  }

  close(code: number, reason: string): void {
    this.#parts.socket.close(code, reason)
  }

  checkHeartbeat(): void {
    const { socket } = this.#parts
    if (!this.#answeredPing) return socket.terminate()
    this.#answeredPing = false
    socket.ping()
  }

  #end(): void {
    const { audience, cluster, id } = this.#parts
    this.seat.leave()
    audience.remove(this)
    // No answer is needed, and none can be had when the cluster is closing.
    cluster.cast('primary', 'leave', [id]).catch(() => {})
  }

  #receive(data: string): void {
    if (this.#wait('frames') > 0) return this.close(CLOSE.tooManyFrames, 'Too many frames')
    const message = parseClientMessage(data)
    switch (message?.type) {
      case 'join':
        return this.#join(message)
      case 'say':
        return void this.#say(message)
      case 'typing':
        return this.#type()
      case 'wave':
        return void this.#wave(message)
      case 'ping':
        return this.send({ type: 'pong' })
      case undefined:
        return this.#refuse({ code: 'bad-frame', reason: 'This is no message that the chat understands.' })
    }
  }

  #join({ client, since, ...message }: Incoming<'join'>): void {
    const wait = this.#wait('joins')
    if (wait > 0) return this.#refuse(tooFast('You are changing rooms too fast.'), { wait })
    const room = cleanRoom(message.room)
    if (!room.ok) return this.#refuse({ code: 'bad-room', reason: room.reason })
    const name = cleanName(message.name)
    if (!name.ok) return this.#refuse({ code: 'bad-name', reason: name.reason })
    this.seat.enter({ connection: this.id, client, name: name.value, room: room.value, ...(since && { since }) })
  }

  async #say({ room, nonce, text }: Incoming<'say'>): Promise<void> {
    const wait = this.#wait('messages')
    if (wait > 0) return this.#refuse(tooFast('You are sending too fast.'), { wait, nonce })
    const cleaned = cleanMessage(text)
    if (!cleaned.ok) return this.#refuse({ code: 'bad-message', reason: cleaned.reason }, { nonce })
    try {
      const answer = await this.#parts.cluster.primary().post(this.id, room, nonce, cleaned.value)
      if (!answer.ok) return this.#refuse(answer.refusal, { nonce })
      this.send({ type: 'accepted', nonce, seq: answer.value.seq })
      // The pages took the hint away when they showed the message; what is typed next is news.
      this.#typingSentAt = Number.NEGATIVE_INFINITY
    } catch {
      // Whether it was posted is unknown; sent again under the same nonce it is posted once.
      this.#refuse(UNAVAILABLE, { wait: RETRY_MS, nonce })
    }
  }

  #type(): void {
    const { room, you } = this.seat
    const now = this.#parts.now()
    if (!room || !you || now - this.#typingSentAt < LIMITS.typingMs) return
    this.#typingSentAt = now
    // From worker to workers, and not worth repeating when it is lost.
    this.#parts.cluster.publish(typing, { room, from: you }).catch(() => {})
  }

  /** Finds where the person is connected and calls that worker, which may be this one. */
  async #wave({ person }: Incoming<'wave'>): Promise<void> {
    const { you } = this.seat
    const { cluster, id } = this.#parts
    if (!you) return this.#refuse(NOT_IN_ROOM)
    const wait = this.#wait('waves')
    if (wait > 0) return this.#refuse(tooFast('That is a lot of waving.'), { wait })
    try {
      const places = await cluster.primary().locate(id, person)
      const waves = places.map(({ worker, connection }) => cluster.worker(worker).wave(connection, person, you))
      const results = await Promise.allSettled(waves)
      const arrived = results.some((result) => result.status === 'fulfilled' && result.value)
      if (!arrived) this.#refuse({ code: 'unavailable', reason: 'They have just left.' })
    } catch {
      this.#refuse(UNAVAILABLE)
    }
  }

  #wait(rate: 'frames' | 'joins' | 'messages' | 'waves'): number {
    return this.#rates[rate].take(this.#parts.now())
  }

  #refuse({ code, reason }: Refusal, { wait, nonce }: { wait?: number; nonce?: string } = {}): void {
    const retryAfter = wait === undefined ? undefined : Math.ceil(wait / 100) / 10
    this.send({ type: 'refused', code, reason, ...(nonce && { nonce }), ...(retryAfter && { retryAfter }) })
  }
}

const RETRY_MS = 2_000
const UNAVAILABLE: Refusal = { code: 'unavailable', reason: 'The chat is busy with itself for a moment.' }
const NOT_IN_ROOM: Refusal = { code: 'not-in-room', reason: 'Enter a room first.' }

function tooFast(reason: string): Refusal {
  return { code: 'too-fast', reason }
}
