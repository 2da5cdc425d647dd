import { isBatch } from '../../protocol/codec.js'
import { BATCH_TAG } from '../../protocol/frames.js'
import { type ChannelHandle, closeHandle, type MessageEmitter, readBefore } from './channel-handle.js'

/** How a line of ours begins. */
const START = `{"cmd":"${BATCH_TAG}",`

/** How one begins that a handle comes with: the handle's number follows. */
const START_WITH_HANDLE = `${START}"handle":`
const LINE_WITH_HANDLE = new RegExp(`^${START_WITH_HANDLE.replace('{', '\\{')}(\\d+),`, 'm')

const NEWLINE = 10

/**
 * The reading side of a process's pipe. What has come as whole lines, all of them ours, is parsed here and emitted as node would:
 * node decodes what may come in pieces, splits and parses it step by step, which is half a microsecond more for each message.
 * Everything else node reads.
 *
 * In a worker it also takes the handles that come with lines of ours, which node would give to none of them. The system hands over at
 * most one with what it reads at a time, the first byte of its message among it (unix(7), "SCM_RIGHTS"; node counts on no less): so it
 * belongs to the one line there that begins as ours with a handle do.
 */
export class PipeReader {
  /** What has come, by the number that its line gives, until that line is emitted. */
  readonly #handles = new Map<number, unknown>()
  /** What was read last did not end with its line. */
  #isMidLine = false
  /** One that came with too little of its line to tell whose it is. */
  #undecided: { readonly handle: unknown; readonly start: string } | undefined

  constructor(emitter: MessageEmitter, pipe: ChannelHandle, takesHandles: boolean) {
    const emit = (message: unknown): void => void emitter.emit('internalMessage', message)
    readBefore(pipe, (bytes, pass) => {
      if (bytes === undefined) {
        this.#closeAll()
        return pass()
      }
      if (takesHandles && (pipe.pendingHandle || this.#undecided)) this.#takeHandle(pipe, bytes)
      const batches = this.#ownBatches(bytes)
      // A handle that is left is node's, or nobody's, and its message is not among ours.
      if (!batches || pipe.pendingHandle) return pass()
      // In a tick for each, as node does it, so that what a listener throws keeps nothing from the next.
      for (const batch of batches) process.nextTick(emit, batch)
    })
  }

  /** The handle that came with a line of ours, once; undefined when there is none, or it was lost on its way. */
  handleOf(message: unknown): unknown {
    const number = (message as { handle?: unknown } | null)?.handle
    if (typeof number !== 'number') return undefined
    const handle = this.#handles.get(number)
    this.#handles.delete(number)
    return handle
  }

  /** Undefined when there is anything else, or half a line. */
  #ownBatches(bytes: Buffer): unknown[] | undefined {
    const wasMidLine = this.#isMidLine
    this.#isMidLine = bytes[bytes.length - 1] !== NEWLINE
    if (wasMidLine || this.#isMidLine) return undefined
    const text = bytes.toString()
    if (!text.startsWith(START)) return undefined
    // Nearly always one, and a list of many costs more than to look.
    const isOne = text.indexOf('\n') === text.length - 1
    const lines = isOne ? [text] : text.slice(0, -1).split('\n')
    if (!isOne && !lines.every((line) => line.startsWith(START))) return undefined
    const messages: unknown[] = lines.map((line) => JSON.parse(line))
    // Of two fields with one name the last is in force.
    return messages.every(isBatch) ? messages : undefined
  }

  /** Leaves what is node's where node looks for it. */
  #takeHandle(pipe: ChannelHandle, bytes: Buffer): void {
    // What is looked for is ASCII, and a character may be cut in two.
    const text = bytes.toString('latin1')
    const { pendingHandle: handle } = pipe
    const waiting = this.#undecided
    this.#undecided = undefined
    pipe.pendingHandle = null
    if (waiting) this.#assign(pipe, waiting.handle, (waiting.start + text).split('\n', 1)[0] as string)
    // What begins in the middle of a line is no beginning of one.
    if (handle) this.#assign(pipe, handle, this.#isMidLine ? ` ${text}` : text)
  }

  #assign(pipe: ChannelHandle, handle: unknown, text: string): void {
    const number = LINE_WITH_HANDLE.exec(text)?.[1]
    const start = text.slice(text.lastIndexOf('\n') + 1)
    if (number !== undefined) this.#handles.set(Number(number), handle)
    else if (mayBeOurs(start)) this.#undecided = { handle, start }
    else pipe.pendingHandle = handle
  }

  /** The channel has ended: the lines of these will not come. */
  #closeAll(): void {
    for (const handle of this.#handles.values()) closeHandle(handle)
    closeHandle(this.#undecided?.handle)
    this.#handles.clear()
    this.#undecided = undefined
  }
}

/** The beginning of a line, which ends before a handle's number does. Digits alone may be too, and are found out with the next bytes. */
function mayBeOurs(start: string): boolean {
  return start !== '' && START_WITH_HANDLE.startsWith(start.replace(/\d+$/, ''))
}
