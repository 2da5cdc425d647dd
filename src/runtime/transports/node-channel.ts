import type { EventEmitter } from 'node:events'
import { batchForNode, batchText, isBatch } from '../../protocol/codec.js'
import { BATCH_TAG, type Batch } from '../../protocol/frames.js'
import { Numbered } from '../numbered.js'
import { awaitsHandle, channelHandleOf } from './channel-handle.js'
import { HandleAnswers, type InternalListener, readAnswer } from './handle-answers.js'
import type { IpcChannel } from './ipc.js'
import { PipeWriter } from './pipe-writer.js'

/** A `ChildProcess`, or `process` in a child. */
type NodeProcess = IpcChannel & object

type OwnBatch = Batch<{ readonly kind: string }>

/** What node writes for a batch whose own text is here: its number follows. */
const STAND_IN = `{"cmd":"${BATCH_TAG}","line":`

/**
 * Node's IPC channel, with our own text for our own messages, for which `process.send` would make JSON anew. A batch goes
 * straight to the pipe (`pipe-writer.ts`), but for two cases: while a socket is under way, since node keeps what follows behind
 * it, and until node has written a first message, from which the writer learns how. Then `process.send` is given a stand-in of
 * one number, which keeps the batch's place, and its text is put in where node hands the stand-in to the pipe. Where node keeps
 * its pipe elsewhere, batches are sent as objects.
 *
 * In a worker (`takesHandles`) it answers messages that bring a handle in node's place (`handle-answers.ts`).
 */
export class NodeChannel implements IpcChannel {
  readonly #process: NodeProcess
  /** None where node keeps its pipe elsewhere. */
  readonly #pipe: PipeWriter | undefined
  /** What node is given now. It writes that at once, or keeps it for when a socket has arrived at the other side. */
  #now: string | undefined
  /** What it has kept. */
  readonly #kept = new Numbered<string>()
  #last = 0
  readonly #answers: HandleAnswers | undefined

  constructor(process: NodeProcess, limit: number, { takesHandles = false } = {}) {
    this.#process = process
    const answer = (message: object): void => void process.send?.(message, undefined, undefined, () => {})
    this.#answers = takesHandles ? new HandleAnswers(answer) : undefined
    const pipe = channelHandleOf(process)
    if (pipe) this.#pipe = new PipeWriter(pipe, limit, (given) => this.#textOf(given))
  }

  get connected(): boolean | undefined {
    return this.#process.connected
  }

  send(message: unknown, handle: unknown, options: undefined, callback: (error: Error | null) => void): boolean {
    const { send, connected } = this.#process
    if (!send) return true
    if (!isBatch(message)) return send.call(this.#process, message, handle, options, callback)
    const batch = message as OwnBatch
    // What comes with a handle, node wraps in a message of its own.
    if (handle !== undefined) return send.call(this.#process, batchForNode(batch), handle, options, callback)
    const answer = this.#answers?.answerWith(batch)
    if (answer || !this.#pipe) {
      const taken = send.call(this.#process, answer ?? batch, undefined, options, callback)
      if (answer) this.#answers?.answered()
      return taken
    }
    const text = batchText(batch)
    if (connected && this.#pipe.isReady && awaitsHandle(this.#process) === false)
      return this.#pipe.write(`${text}\n`, callback)
    return this.#sendInTurn(text, callback)
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
    const answers = this.#answers
    if (event === 'disconnect') this.#process.on(event, listener)
    else if (!answers) this.#process.on(event, (message, handle) => listener(readAnswer(message), handle))
    else {
      // Before node's own.
      const emitter = this.#process as unknown as EventEmitter
      emitter.prependListener(event, (message: unknown, handle?: unknown) => answers.take(message, handle, listener))
    }
  }

  #textOf(given: string): string {
    if (!given.startsWith(STAND_IN)) return given
    const text = this.#now ?? this.#kept.delete(Number(given.slice(STAND_IN.length, given.lastIndexOf('}'))))
    this.#now = undefined
    return text === undefined ? given : `${text}\n`
  }
}
