import type { EventEmitter } from 'node:events'

/*
 * Node's channel below `process.send`: a bare pipe, which node keeps under a symbol. None of it is documented; all of it is
 * the same from Node 20 to 26. On a version where it is not, `test/cluster/channel-guard.test.ts` fails (reading), or
 * `test/runtime/transports/node-channel.test.ts`, with a real child (writing), or `test/cluster/connections-hand-off.test.ts` (handles).
 */

/** Whose messages come out of the pipe: a `ChildProcess`, or `process` in a child. */
export type MessageEmitter = Pick<EventEmitter, 'emit'>

/** What libuv is given with every write. */
export interface WriteRequest {
  oncomplete?: (status: number) => void
}

/** What is used of the pipe. */
export interface ChannelHandle {
  /** Called with what was read, or with undefined at the end. A buffer holds what was read and no more. */
  onread: (this: ChannelHandle, buffer: ArrayBuffer | undefined) => void
  /** The descriptor that came along with what `onread` is called for. Whoever takes it away keeps it from node. */
  pendingHandle?: unknown
  /** Bytes of what was written that the system has not taken yet. */
  readonly writeQueueSize?: number
  readStart(): number
  readStop(): number
  /** How node writes a message: an errno, or 0. Throwing here throws in `process.send`, before anything is written. */
  writeUtf8String(request: WriteRequest, text: string, handle: unknown): number
}

/** Undefined when the process has no channel, or node keeps it elsewhere. */
export function channelHandleOf(process: object): ChannelHandle | undefined {
  const symbol = Object.getOwnPropertySymbols(process).find(({ description }) => description === 'kChannelHandle')
  const handle = symbol && ((process as Record<symbol, unknown>)[symbol] as ChannelHandle | null)
  return typeof handle?.onread === 'function' ? handle : undefined
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
