import type { EventEmitter } from 'node:events'
import { BATCH_TAG } from '../../protocol/frames.js'
import {
  awaitsHandle,
  type ChannelHandle,
  channelHandleOf,
  closeHandle,
  type MessageEmitter,
  readBefore,
} from './channel-handle.js'
import { HeldEvents } from './held-events.js'
import { LineMeter } from './line-limit.js'
import { judge, type NodeMessage } from './node-messages.js'
import type { ReadPace } from './read-pace.js'

export interface ChannelGuardOptions {
  /** Bytes that one line may have, `lineLimit`. */
  readonly limit: number
  /** Shared by all the channels of this process. */
  readonly pace: ReadPace
  /** Told once. The verdict goes on from "worker 3 …". */
  readonly corrupt: (verdict: string) => void
  /** A message that its sender had no reason to send was left out. */
  readonly dropped: (what: string) => void
  /** A listener of the program threw; the message has come with a handle or not, and stays with the program. */
  readonly listenerThrew: (error: unknown) => void
}

/**
 * Stands between a worker's channel and node's code in the primary. What a worker writes there, node parses and believes:
 * a line that is no JSON, or a message that contradicts node's own state, throws where only `uncaughtException` could catch
 * it (nodejs/node#10131, #61312). Two places see everything first, on Node 20 to 26, and neither alone is enough: the pipe's
 * `onread`, before anybody parses, and the child's `emit`, after. A worker that writes what no node writes is corrupt: nothing
 * of it is read from then on, and whoever made the guard is told once, to kill it. What is merely forged is dropped.
 */
export class ChannelGuard {
  readonly #child: MessageEmitter
  readonly #options: ChannelGuardOptions
  readonly #emit: EventEmitter['emit']
  readonly #lines = new LineMeter()
  readonly #held: HeldEvents
  #corrupt = false
  /** A descriptor that has arrived, until the message that takes it. */
  #unclaimed: unknown
  /** Node keeps one listener for each key of the sockets that come. */
  readonly #keys = new Set<unknown>()

  /** False when node's channel is not where it was: then messages are guarded, and lines are not. */
  readonly guardsLines: boolean

  constructor(child: MessageEmitter, options: ChannelGuardOptions) {
    this.#child = child
    this.#options = options
    this.#emit = child.emit
    const channel = channelHandleOf(child)
    this.#held = new HeldEvents({
      pace: options.pace,
      deliver: (event, values) => this.#deliver(event, values),
      reading: (on) => void (on ? channel?.readStart() : channel?.readStop()),
    })
    child.emit = (event: string | symbol, ...values: unknown[]) =>
      this.#held.take(event, values) || this.#deliver(event, values)
    this.guardsLines = channel !== undefined
    if (channel) this.#guardLines(channel)
  }

  #guardLines(channel: ChannelHandle): void {
    const { limit, pace } = this.#options
    readBefore(channel, (bytes, pass) => {
      if (bytes === undefined) {
        this.#closeUnclaimed()
        pass()
        return this.#held.ended()
      }
      const handle = channel.pendingHandle ?? undefined
      if (this.#corrupt) {
        channel.pendingHandle = null
        return closeHandle(handle)
      }
      if (handle && this.#unclaimed) return this.#condemn('has sent a handle without a message', handle)
      this.#unclaimed ??= handle
      if (this.#lines.exceeds(bytes, limit))
        return this.#condemn(`has written a message of more than ${limit} bytes to its channel, the limit`)
      pace.reading(bytes.length)
      try {
        pass()
      } catch (error) {
        this.#condemn(`has written to its channel what is no message (${messageOf(error)})`)
      }
      if (pace.spent) this.#held.pause()
    })
  }

  #deliver(event: string | symbol, values: readonly unknown[]): boolean {
    if (event === 'internalMessage') return this.#internal(values[0] as NodeMessage, values[1])
    if (event === 'message') return this.#message(values[0], values[1])
    return this.#pass(event, ...values)
  }

  /** A message whose `cmd` begins with `NODE_`. */
  #internal(message: NodeMessage, handle: unknown): boolean {
    if (this.#corrupt) return refuse(handle)
    // Nearly all are ours.
    if (message.cmd === BATCH_TAG && handle === undefined) return this.#passInternal(message, undefined)
    const context = {
      handle: handle !== undefined && handle !== null,
      awaitsHandle: awaitsHandle(this.#child) === true,
    }
    switch (judge(message, context)) {
      case 'pass':
        return this.#passInternal(message, handle)
      case 'claim':
        if (this.#claim(message, handle)) return this.#passInternal(message, handle)
        return this.#condemn(UNUSABLE, handle)
      case 'strip':
        this.#drop(message, handle)
        return this.#passInternal(message, undefined)
      case 'drop':
        return this.#drop(message, handle)
      case 'corrupt':
        return this.#condemn(UNUSABLE, handle)
    }
  }

  #passInternal(message: NodeMessage, handle: unknown): boolean {
    try {
      return this.#pass('internalMessage', message, handle)
    } catch (error) {
      return this.#condemn(`has sent a message that node refuses (${messageOf(error)})`, handle)
    }
  }

  /** The handle finds the message that it came for. False when node would fail at it. */
  #claim({ key, type }: NodeMessage, handle: unknown): boolean {
    if (handle === this.#unclaimed) this.#unclaimed = undefined
    if (key !== undefined && this.#keys.add(key).size > MAX_KEYS) return false
    // Node makes a server of it, whose failure to listen nobody could catch.
    return type !== 'net.Server' || canListen(handle)
  }

  /** The program's own, which its listeners get as it came. */
  #message(message: unknown, handle: unknown): boolean {
    if (this.#corrupt) return refuse(handle)
    catchErrorsOf(handle)
    try {
      return this.#pass('message', message, handle)
    } catch (error) {
      this.#options.listenerThrew(error)
      return true
    }
  }

  #pass(event: string | symbol, ...values: unknown[]): boolean {
    return this.#emit.call(this.#child as EventEmitter, event, ...values)
  }

  #drop({ cmd, act }: NodeMessage, handle: unknown): false {
    this.#options.dropped(typeof act === 'string' ? `${cmd} ${act}` : cmd)
    return refuse(handle)
  }

  #condemn(verdict: string, handle?: unknown): false {
    closeHandle(handle)
    this.#closeUnclaimed()
    if (this.#corrupt) return false
    this.#corrupt = true
    this.#options.corrupt(verdict)
    return false
  }

  #closeUnclaimed(): void {
    closeHandle(this.#unclaimed)
    this.#unclaimed = undefined
  }
}

/** Servers of one worker whose sockets are sent here; a program has a few. */
const MAX_KEYS = 1_024

const UNUSABLE = 'has sent a handle that cannot be used'

function refuse(handle: unknown): false {
  closeHandle(handle)
  return false
}

function canListen(handle: unknown): boolean {
  const { listen } = handle as { listen?: (backlog: number) => number }
  return typeof listen === 'function' && listen.call(handle, BACKLOG) === 0
}

/** Node's own for a server. */
const BACKLOG = 511

/** A socket that nobody looks after, and whose client resets it, would end the process. */
function catchErrorsOf(handle: unknown): void {
  const { on } = (handle ?? {}) as { on?: unknown }
  if (typeof on === 'function') on.call(handle, 'error', () => {})
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.length > MAX_REASON ? `${text.slice(0, MAX_REASON)}…` : text
}

/** The first line of what node says is enough for a verdict. */
const MAX_REASON = 120
