import type { IpcChannel } from '../runtime/transports/ipc.js'
import { MessageTooLargeError } from '../runtime/transports/line-limit.js'
import type { SimulatedLoop } from './simulated-process.js'
import type { VirtualTime } from './virtual-time.js'

/** What of a message is seen on its way, and what a test may do to it. */
export interface Wire {
  /** Bytes that the pipe holds for a reader that does not read. More waits in its writer. */
  readonly pipeSize: number
  /** Bytes of the longest message that may be written, as `NodeChannel` does. */
  readonly lineLimit: number
  /** Milliseconds until a message that is sent now arrives. */
  latency(): number
  /** What is sent instead: the same, or what a test makes of it. */
  sent(message: object): object
  /** It is too long, and `send` throws. */
  refused(message: object): void
  arrived(message: object): void
}

interface Message {
  readonly text: string
  /** Told when it has left the writer's memory. */
  readonly written: (error: Error | null) => void
}

/**
 * One end of node's channel between two processes, as `IpcTransport` sees it. Messages cross as JSON text, so that nothing
 * is shared; they arrive in order, each after a while. What the kernel's buffer does not hold waits in the sender, and dies
 * with it.
 */
export class SimulatedChannel implements IpcChannel {
  connected = true
  readonly #time: VirtualTime
  readonly #loop: SimulatedLoop
  readonly #wire: Wire
  #other: SimulatedChannel | undefined
  /** In the kernel's buffer, not read by the other end. Shrinks from the front. */
  readonly #piped: Message[] = []
  #pipedSize = 0
  /** In this process's own memory. */
  readonly #unwritten: Message[] = []
  /** When the last one arrives: none overtakes another. */
  #lastArrival = 0
  readonly #onMessage: ((message: unknown, handle?: unknown) => void)[] = []
  readonly #onDisconnect: (() => void)[] = []

  constructor(time: VirtualTime, loop: SimulatedLoop, wire: Wire) {
    this.#time = time
    this.#loop = loop
    this.#wire = wire
  }

  static pair(
    time: VirtualTime,
    [left, toRight]: readonly [SimulatedLoop, Wire],
    [right, toLeft]: readonly [SimulatedLoop, Wire],
  ): readonly [SimulatedChannel, SimulatedChannel] {
    const ends = [new SimulatedChannel(time, left, toRight), new SimulatedChannel(time, right, toLeft)] as const
    ends[0].#other = ends[1]
    ends[1].#other = ends[0]
    return ends
  }

  send(message: unknown, _handle: unknown, _options: undefined, written: (error: Error | null) => void): boolean {
    if (!this.connected || this.#loop.dead) {
      process.nextTick(written, Object.assign(new Error('Channel closed'), { code: 'ERR_IPC_CHANNEL_CLOSED' }))
      return false
    }
    const { lineLimit } = this.#wire
    const text = JSON.stringify(message)
    if (text.length * 3 > lineLimit && Buffer.byteLength(text) > lineLimit) {
      this.#wire.refused(message as object)
      throw new MessageTooLargeError(Buffer.byteLength(text), lineLimit)
    }
    const sent = this.#wire.sent(message as object)
    this.#unwritten.push({ text: sent === message ? text : JSON.stringify(sent), written })
    // A process that is in the middle of something long writes when that is over.
    if (this.#loop.runs) this.#write()
    else this.#loop.soon('a write', () => this.#write())
    return this.#unwritten.length === 0
  }

  on(event: 'internalMessage', listener: (message: unknown, handle?: unknown) => void): void
  on(event: 'disconnect', listener: () => void): void
  on(event: string, listener: (...args: never[]) => void): void {
    if (event === 'internalMessage') this.#onMessage.push(listener as (message: unknown) => void)
    else if (event === 'disconnect') this.#onDisconnect.push(listener as () => void)
  }

  /**
   * The process at this end is dead: what it had not written is lost, and the last `tail` messages in the pipe with it. When
   * the other end has read the rest, `ended` runs there.
   */
  die(tail: number, ended: () => void): void {
    this.connected = false
    this.#unwritten.length = 0
    this.#piped.splice(Math.max(0, this.#piped.length - tail))
    const other = this.#other
    if (!other) return
    const end = (): void => {
      if (this.#piped.length > 0) this.#piped.length = 0
      other.connected = false
      for (const listener of other.#onDisconnect) listener()
      ended()
    }
    const arrival = Math.max(this.#lastArrival, this.#time.now + this.#wire.latency())
    this.#time.at(arrival, other.#loop, end, { what: 'the end of a channel' })
  }

  #write(): void {
    if (this.#loop.dead) return
    while (this.#unwritten.length > 0 && this.#pipedSize < this.#wire.pipeSize) {
      const message = this.#unwritten.shift() as Message
      this.#piped.push(message)
      this.#pipedSize += message.text.length
      process.nextTick(message.written, null)
      const arrival = Math.max(this.#lastArrival, this.#time.now + this.#wire.latency())
      this.#lastArrival = arrival
      const reader = this.#other
      if (reader) this.#time.at(arrival, reader.#loop, () => this.#arrive(reader), { what: 'a message' })
    }
  }

  #arrive(reader: SimulatedChannel): void {
    const message = this.#piped.shift()
    if (!message) return // Lost with its sender.
    this.#pipedSize -= message.text.length
    if (this.#unwritten.length > 0 && !this.#loop.dead) this.#loop.soon('a write', () => this.#write())
    if (!reader.connected) return
    const parsed = JSON.parse(message.text) as object
    this.#wire.arrived(parsed)
    for (const listener of reader.#onMessage) listener(parsed)
  }
}
