import type { EventEmitter } from 'node:events'
import { BATCH_TAG } from '../../protocol/frames.js'
import type { ChannelHandle } from './channel-handle.js'

/** How a line of ours begins. */
const START = `{"cmd":"${BATCH_TAG}",`

/** How one begins that a handle comes with: the handle's number follows. */
const START_WITH_HANDLE = `${START}"handle":`
const WITH_HANDLE = new RegExp(`^${START_WITH_HANDLE}(\\d+),`, 'm')

const NEWLINE = 10

/** Whose messages come out of the pipe. */
export type MessageEmitter = Pick<EventEmitter, 'emit'>

/**
 * The reading side of a process's pipe. What has come as whole lines, all of them ours, is parsed here and emitted as node would:
 * node decodes what may come in pieces, splits and parses it step by step, which is half a microsecond more for each message.
 * Everything else node reads.
 *
 * In a worker it also takes the handles that come with lines of ours, which node would give to none of them. The system hands over at
 * most one with what it reads at a time: the one of the line of ours that begins there.
 */
export class PipeReader {
  /** What has come, by the number that its line gives, until that line is emitted. */
  readonly #handles = new Map<number, unknown>()
  /** The last thing read was the beginning of a line. */
  #isMidLine = false
  /** One that came with too little of its line to tell whose it is. */
  #undecided: { readonly handle: unknown; readonly start: string } | undefined

  constructor(emitter: MessageEmitter, pipe: ChannelHandle, takesHandles: boolean) {
    const { onread } = pipe
    const emit = (message: unknown): void => void emitter.emit('internalMessage', message)
    pipe.onread = (buffer) => {
      if (buffer === undefined) return onread.call(pipe, buffer)
      const bytes = Buffer.from(buffer)
      if (takesHandles && (pipe.pendingHandle || this.#undecided)) this.#takeHandle(pipe, bytes)
      const lines = this.#ownLines(bytes)
      // One that is left is node's, or nobody's, and its message is not among ours.
      if (!lines || pipe.pendingHandle) return onread.call(pipe, buffer)
      // In a turn for each, so that what a listener throws keeps nothing from the next.
      for (const line of lines) process.nextTick(emit, JSON.parse(line))
    }
  }

  /** The handle that came with a line of ours, once; undefined when there is none, or it was lost on its way. */
  handleOf(line: unknown): unknown {
    const { handle: number } = (line ?? {}) as { handle?: unknown }
    if (typeof number !== 'number') return undefined
    const handle = this.#handles.get(number)
    this.#handles.delete(number)
    return handle
  }

  /** Undefined when there is anything else, or half a line. */
  #ownLines(bytes: Buffer): string[] | undefined {
    const wasMidLine = this.#isMidLine
    this.#isMidLine = bytes.at(-1) !== NEWLINE
    if (wasMidLine || this.#isMidLine) return undefined
    const lines = bytes.toString().split('\n')
    lines.pop()
    return lines.every((line) => line.startsWith(START)) ? lines : undefined
  }

  /** Leaves what is node's where node looks for it. */
  #takeHandle(pipe: ChannelHandle, bytes: Buffer): void {
    const text = bytes.toString('latin1')
    const { pendingHandle: handle } = pipe
    const waiting = this.#undecided
    this.#undecided = undefined
    pipe.pendingHandle = null
    if (waiting) this.#assign(pipe, waiting.handle, (waiting.start + text).split('\n', 1)[0] as string)
    if (handle) this.#assign(pipe, handle, this.#isMidLine ? ` ${text}` : text)
  }

  #assign(pipe: ChannelHandle, handle: unknown, text: string): void {
    const number = WITH_HANDLE.exec(text)?.[1]
    const start = text.slice(text.lastIndexOf('\n') + 1)
    if (number !== undefined) this.#handles.set(Number(number), handle)
    else if (mayBeOurs(start)) this.#undecided = { handle, start }
    else pipe.pendingHandle = handle
  }
}

/** The beginning of a line, which ends before a handle's number does. */
function mayBeOurs(start: string): boolean {
  return start !== '' && START_WITH_HANDLE.startsWith(start.replace(/\d+$/, ''))
}
