import type { EventEmitter } from 'node:events'
import { batchOfLists, batchText, isBatch, writeBatch } from '../../protocol/codec.js'
import { BATCH_TAG, type Batch } from '../../protocol/frames.js'
import { Numbered } from '../numbered.js'
import { type ChannelHandle, channelHandleOf } from './channel-handle.js'
import type { IpcChannel } from './ipc.js'
import { MessageTooLargeError } from './line-limit.js'

/** A `ChildProcess`, or `process` in a child. */
type NodeProcess = IpcChannel & object

type OwnBatch = Batch<{ readonly kind: string }>

/** Of what comes below the messages of the program. */
type InternalListener = (message: unknown, handle?: unknown) => void

/** With which node answers every message that came with a socket, before it hands that on. */
const SOCKET_CAME = 'NODE_HANDLE_ACK'

/** What such a message is called when it has been taken, so that node passes over it. */
const TAKEN = 'NODE_TROUPE_TAKEN'

type InternalMessage = {
  cmd?: unknown
  readonly type?: unknown
  readonly msg?: unknown
  readonly frames?: unknown
} | null

/** What node writes for a batch whose own text is here: its number follows. */
const STAND_IN = `{"cmd":"${BATCH_TAG}","line":`

/**
 * Node's IPC channel, with our own text for our own messages. `process.send` makes JSON of what it is given, which for a
 * batch of calls costs more than all the rest of the way: it is given a stand-in of one number, and where node hands the text
 * of that to the pipe, the batch's text takes its place. All else is node's as ever: the order, the callback, what waits
 * while a socket is under way. Where node keeps its pipe elsewhere, batches are sent as objects.
 *
 * Node answers a message that brings a socket with one of its own, and only then hands it on. In a worker (`takesSockets`) ours
 * are taken before node sees them, and what is sent while such a batch is delivered leaves in that answer: one message less
 * for every connection, on both sides.
 *
 * Also refuses, for everybody who sends here, what is longer than the other side would read.
 */
export class NodeChannel implements IpcChannel {
  readonly #process: NodeProcess
  readonly #limit: number
  readonly #writesText: boolean
  /** What node is given now. It writes that at once, or keeps it for when a socket has arrived at the other side. */
  #now: string | undefined
  /** What it has kept. */
  readonly #kept = new Numbered<string>()
  #last = 0
  readonly #takesSockets: boolean
  /** A socket has come, and node's answer to it has not been sent. */
  #owesAnswer = false

  constructor(process: NodeProcess, limit: number, { takesSockets = false } = {}) {
    this.#process = process
    this.#limit = limit
    this.#takesSockets = takesSockets
    const pipe = channelHandleOf(process)
    this.#writesText = pipe !== undefined
    if (pipe) this.#watch(pipe)
  }

  get connected(): boolean | undefined {
    return this.#process.connected
  }

  send(message: unknown, handle: unknown, options: undefined, callback: (error: Error | null) => void): boolean {
    const { send } = this.#process
    if (!send) return true
    if (!isBatch(message)) return send.call(this.#process, message, handle, options, callback)
    // What comes with a handle, node wraps in a message of its own.
    if (handle !== undefined)
      return send.call(this.#process, batchOfLists(message as OwnBatch), handle, options, callback)
    if (this.#owesAnswer) {
      this.#owesAnswer = false
      const { frames } = batchOfLists(message as OwnBatch)
      return send.call(this.#process, { cmd: SOCKET_CAME, frames }, undefined, options, callback)
    }
    if (!this.#writesText) return send.call(this.#process, message, undefined, options, callback)
    const line = ++this.#last
    this.#now = batchText(message as OwnBatch)
    try {
      const taken = send.call(this.#process, { cmd: BATCH_TAG, line }, undefined, options, callback)
      if (this.#now !== undefined && this.#process.connected) this.#kept.set(line, this.#now)
      return taken
    } finally {
      this.#now = undefined
    }
  }

  on(event: 'internalMessage', listener: InternalListener): void
  on(event: 'disconnect', listener: () => void): void
  on(event: 'internalMessage' | 'disconnect', listener: InternalListener & (() => void)): void {
    if (event === 'disconnect') this.#process.on(event, listener)
    else if (this.#takesSockets)
      (this.#process as unknown as EventEmitter).prependListener(event, (message: unknown, handle?: unknown) =>
        this.#takeSocket(message, handle, listener),
      )
    else this.#process.on(event, (message, handle) => listener(withAnswer(message), handle))
  }

  #takeSocket(message: unknown, handle: unknown, listener: InternalListener): void {
    const wrapped = message as InternalMessage
    // One without its socket is node's to complain of.
    if (wrapped?.cmd !== 'NODE_HANDLE' || wrapped.type !== 'net.Native' || !handle || !isBatch(wrapped.msg))
      return listener(message, handle)
    wrapped.cmd = TAKEN
    this.#owesAnswer = true
    try {
      listener(wrapped.msg, handle)
    } finally {
      if (this.#owesAnswer) {
        this.#owesAnswer = false
        this.#process.send?.({ cmd: SOCKET_CAME }, undefined, undefined, () => {})
      }
    }
  }

  #watch(pipe: ChannelHandle): void {
    const write = pipe.writeUtf8String
    const limit = this.#limit
    const textOf = (text: string): string => this.#textOf(text)
    pipe.writeUtf8String = function writeUtf8String(this: ChannelHandle, request, given, handle) {
      const text = textOf(given)
      // A character has at most three bytes, so that nearly every message is known to fit without being looked at.
      if (text.length * 3 > limit && Buffer.byteLength(text) > limit)
        throw new MessageTooLargeError(Buffer.byteLength(text), limit)
      return write.call(this, request, text, handle)
    }
  }

  #textOf(given: string): string {
    if (!given.startsWith(STAND_IN)) return given
    const text = this.#now ?? this.#kept.delete(Number(given.slice(STAND_IN.length, given.lastIndexOf('}'))))
    this.#now = undefined
    return text === undefined ? given : `${text}\n`
  }
}

/** What a worker has sent in node's answer to a socket. Node has seen it before, and taken the answer. */
function withAnswer(message: unknown): unknown {
  const answer = message as InternalMessage
  return answer?.cmd === SOCKET_CAME && Array.isArray(answer.frames) ? writeBatch(answer.frames) : message
}
