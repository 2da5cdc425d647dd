import type { IpcChannel } from '../../src/runtime/transports/ipc.js'

interface Sent {
  readonly message: unknown
  readonly callback: (error: Error | null) => void
}

/**
 * One end of an IPC channel inside this process: it carries messages as JSON, in order, one turn later, and takes what it
 * is given even when it says that it is congested, all as Node's does.
 */
export class FakeChannel implements IpcChannel {
  /** Every message that was handed over, as the other side will read it. */
  readonly sent: { readonly frames: unknown[] }[] = []
  /** Says no to whatever it is given, and calls nobody back, until it is opened again. */
  congested = false
  /** Throws, as a channel does that has closed without anybody having noticed. */
  broken = false
  other: FakeChannel | undefined
  #connected = true
  #unwritten: Sent[] = []
  readonly #onMessage: ((message: unknown) => void)[] = []
  readonly #onDisconnect: (() => void)[] = []

  get connected(): boolean {
    return this.#connected
  }

  send(message: unknown, _handle: undefined, _options: undefined, callback: Sent['callback']): boolean {
    if (this.broken) throw new Error('ERR_IPC_CHANNEL_CLOSED')
    const text = JSON.stringify(message)
    this.sent.push(JSON.parse(text))
    this.#unwritten.push({ message: text, callback })
    if (this.congested) return false
    this.#write()
    return true
  }

  /** Reads again: what it holds is written, and its callbacks are called. */
  open(): void {
    this.congested = false
    this.#write()
  }

  /** The pipe breaks: what is not written is lost, and both sides learn it after what they have been sent. */
  disconnect(): void {
    const lost = this.#unwritten
    this.#unwritten = []
    this.#end()
    if (this.other) this.other.#end()
    setImmediate(() => {
      for (const { callback } of lost) callback(new Error('ERR_IPC_CHANNEL_CLOSED'))
    })
  }

  on(event: 'internalMessage' | 'disconnect', listener: (message: never) => void): void {
    if (event === 'internalMessage') this.#onMessage.push(listener as (message: unknown) => void)
    else this.#onDisconnect.push(listener as () => void)
  }

  /** Something arrives, whoever sent it. */
  arrive(message: unknown): void {
    for (const listener of this.#onMessage) listener(message)
  }

  #write(): void {
    const written = this.#unwritten
    this.#unwritten = []
    for (const { message, callback } of written) {
      queueMicrotask(() => {
        callback(null)
        this.other?.arrive(JSON.parse(String(message)))
      })
    }
  }

  #end(): void {
    if (!this.#connected) return
    this.#connected = false
    queueMicrotask(() => {
      for (const listener of this.#onDisconnect) listener()
    })
  }
}

export function channelPair(): readonly [FakeChannel, FakeChannel] {
  const left = new FakeChannel()
  const right = new FakeChannel()
  left.other = right
  right.other = left
  return [left, right]
}
