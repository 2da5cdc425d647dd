import type { EventEmitter } from 'node:events'

/*
 * Node's channel below `process.send`: a bare pipe, which node keeps under a symbol. None of it is documented; all of it is
 * the same from Node 20 to 26, but for the buffers of `onread`. On a version where it is not, a test fails: of reading
 * `test/cluster/channel-guard.test.ts`, of writing `test/runtime/transports/node-channel.test.ts`, with a real child, of handles
 * `test/cluster/connections-hand-off.test.ts`.
 */

/** Whose messages come out of the pipe: a `ChildProcess`, or `process` in a child. */
export type MessageEmitter = Pick<EventEmitter, 'emit'>

/** What libuv is given with every write. */
export interface WriteRequest {
  oncomplete?: (status: number) => void
}

/** What is used of the pipe. */
export interface ChannelHandle {
  /** Called with what was read, or with undefined at the end. From Node 26 on a buffer may have more in it than was read. */
  onread: (this: ChannelHandle, buffer: ArrayBuffer | undefined) => void
  /** The descriptor that came along with what `onread` is called for. Whoever takes it away keeps it from node. */
  pendingHandle?: unknown
  /** Bytes that have been read, all together, those that `onread` is called for among them. */
  readonly bytesRead: number
  /** Bytes of what was written that the system has not taken yet. */
  readonly writeQueueSize?: number
  readStart(): number
  readStop(): number
  /** How node writes a message: an errno, or 0. Throwing here throws in `process.send`, before anything is written. */
  writeUtf8String(request: WriteRequest, text: string, handle: object | undefined): number
}

/** Shows what is read to `see` before node, or undefined at the end; node has it when `pass` is called. */
export function readBefore(pipe: ChannelHandle, see: (bytes: Buffer | undefined, pass: () => void) => unknown): void {
  const { onread } = pipe
  let before = pipe.bytesRead
  let read: ArrayBuffer | undefined
  const pass = (): void => onread.call(pipe, read)
  pipe.onread = (buffer) => {
    read = buffer
    const { bytesRead } = pipe
    const bytes = buffer && Buffer.from(buffer, 0, bytesRead - before)
    before = bytesRead
    try {
      see(bytes, pass)
    } finally {
      read = undefined
    }
  }
}

/** Undefined when the process has no channel, or node keeps it elsewhere. */
export function channelHandleOf(process: object): ChannelHandle | undefined {
  const symbol = Object.getOwnPropertySymbols(process).find(({ description }) => description === 'kChannelHandle')
  const handle = symbol && ((process as Record<symbol, unknown>)[symbol] as ChannelHandle | null)
  return typeof handle?.onread === 'function' && typeof handle.bytesRead === 'number' ? handle : undefined
}

/** Whether a socket is under way, behind which node keeps what is sent. Undefined where node does not say. */
export function awaitsHandle(process: object): boolean | undefined {
  const { _handleQueue: queue } = process as { _handleQueue?: unknown }
  return queue === undefined ? undefined : queue !== null
}

/** Closes what came with a message that nobody takes: the descriptor would stay open in this process. */
export function closeHandle(handle: unknown): void {
  const { close } = (handle ?? {}) as { close?: unknown }
  if (typeof close === 'function') close.call(handle)
}
