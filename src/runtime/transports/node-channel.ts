import { batchText, isBatch } from '../../protocol/codec.js'
import { BATCH_TAG, type Batch } from '../../protocol/frames.js'
import { Numbered } from '../numbered.js'
import { awaitsHandle, channelHandleOf, type MessageEmitter } from './channel-handle.js'
import type { InternalListener, IpcChannel } from './ipc.js'
import { PipeReader } from './pipe-reader.js'
import { PipeWriter } from './pipe-writer.js'

/** A `ChildProcess`, or `process` in a child. */
type NodeProcess = IpcChannel & MessageEmitter

type OwnBatch = Batch<{ readonly kind: string }>

/** What node writes for a batch whose own text is here: its number follows. */
const STAND_IN = `{"cmd":"${BATCH_TAG}","line":`

/**
 * Node's IPC channel, with our own text for our own messages, for which `process.send` would make JSON anew. A batch goes
 * straight to the pipe (`pipe-writer.ts`) and is read there (`pipe-reader.ts`), with a handle or without: node would let what follows
 * wait until the other side has acknowledged a handle. Node sends in two cases: while a socket of the program's is under way, since
 * it keeps what follows behind that, and until it has written a first message, from which the writer learns how. Then it is
 * given a stand-in of one number, which keeps the batch's place, and the text is put in where node hands the stand-in to the pipe;
 * a batch with a handle it is given whole. Where node keeps its pipe elsewhere, all batches are sent as objects.
 */
export class NodeChannel implements IpcChannel {
  readonly #process: NodeProcess
  /** None where node keeps its pipe elsewhere. */
  readonly #writer: PipeWriter | undefined
  readonly #reader: PipeReader | undefined
  /** What node is given now. It writes that at once, or keeps it for when a socket has arrived at the other side. */
  #now: string | undefined
  /** What it has kept. */
  readonly #kept = new Numbered<string>()
  #last = 0
  #lastHandle = 0

  /** `takesHandles`: in a worker, to whom they are sent. */
  constructor(process: NodeProcess, limit: number, { takesHandles = false } = {}) {
    this.#process = process
    const pipe = channelHandleOf(process)
    if (!pipe) return
    this.#writer = new PipeWriter(pipe, limit, (given) => this.#textOf(given))
    this.#reader = new PipeReader(process, pipe, takesHandles)
  }

  get connected(): boolean | undefined {
    return this.#process.connected
  }

  send(message: unknown, handle: unknown, options: undefined, callback: (error: Error | null) => void): boolean {
    const { send, connected } = this.#process
    if (!send) return true
    if (!isBatch(message)) return send.call(this.#process, message, handle, options, callback)
    const batch = message as OwnBatch
    const writer = this.#writer
    if (writer?.isReady && connected && awaitsHandle(this.#process) === false) {
      const number = handle === undefined ? undefined : ++this.#lastHandle
      return writer.write(`${batchText(batch, number)}\n`, callback, handle as object | undefined)
    }
    // What comes with a handle, node wraps in a message of its own.
    if (!writer || handle !== undefined) return send.call(this.#process, batch, handle, options, callback)
    return this.#sendInTurn(batchText(batch), callback)
  }

  #sendInTurn(text: string, callback: (error: Error | null) => void): boolean {
    const line = ++this.#last
    this.#now = text
    try {
      const taken = this.#process.send?.({ cmd: BATCH_TAG, line }, undefined, undefined, callback) ?? true
      if (this.#now !== undefined && this.#process.connected) this.#kept.set(line, text)
      return taken
    } finally {
      this.#now = undefined
    }
  }

  on(event: 'internalMessage', listener: InternalListener): void
  on(event: 'disconnect', listener: () => void): void
  on(event: 'internalMessage' | 'disconnect', listener: InternalListener & (() => void)): void {
    if (event === 'disconnect') this.#process.on(event, listener)
    else this.#process.on(event, (message, handle) => listener(message, handle ?? this.#reader?.handleOf(message)))
  }

  #textOf(given: string): string {
    if (!given.startsWith(STAND_IN)) return given
    const text = this.#now ?? this.#kept.delete(Number(given.slice(STAND_IN.length, given.lastIndexOf('}'))))
    this.#now = undefined
    return text === undefined ? given : `${text}\n`
  }
}
